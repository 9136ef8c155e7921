"""Bad days of the network, with wires that can be cut: peers that die without a word, networks that go and
come back, loss, delay, and paths on which large packets vanish."""

import os
import unittest
from concurrent.futures import ThreadPoolExecutor

import lab
import netns
from clients import message
from house import House, MAIL
from netns import DOMAIN
from process import wait_until
from upstream.imap import RecordingImap

# Short enough for a test; the defaults are minutes.
DEADLINES = """[deadlines]
failed_login_delay = "10ms"
tcp_keepalive = "1s"
tcp_user_timeout = "2s"
upstream_answer = "2s"
handshake = "2s"
connect = "2s"
"""


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if reason := netns.why_not():
            raise unittest.SkipTest(reason)

    def setUp(self):
        self.house = House(self, lab.world())

    def start(self, names, deadlines=DEADLINES, **settings):
        """One account for each name, all on one server."""
        accounts = [self.house.account(name, **settings) for name in names]
        for name in names:
            self.house.names.set(f"{name}.{DOMAIN}", MAIL)
        self.gateway = self.house.open(accounts, deadlines)
        return accounts

    def wait_for_log(self, text, times=1):
        wait_until(lambda: self.gateway.log().count(text) >= times, f"{times} times {text!r} in the log")

    def idle(self, account):
        client = self.house.logged_in(account)
        client.send("I1 IDLE\r\n")
        self.assertEqual(client.line(), b"+ idling\r\n")
        return client


class DeadPeers(Case):
    """Nobody says goodbye. What was sent stays without an answer, or nothing was sent at all."""

    def test_a_server_that_dies_is_found_in_idle_and_under_a_command(self):
        (account,) = self.start(["alice"], connection_limit="2")
        idle, asking = self.idle(account), self.house.logged_in(account)
        self.house.mail.dead = True
        asking.send("N1 NOOP\r\n")
        for client in (idle, asking):
            self.assertEqual(client.rest(), b"", "nobody has said anything more")
            client.leave()
        self.wait_for_log("ended: the connection to the mail server broke", 2)
        self.house.mail.dead = False
        # Both of the account's connections are free again.
        self.assertIsNotNone(self.house.logged_in(account))
        self.assertIsNotNone(self.house.logged_in(account))

    def test_a_client_that_dies_is_found_in_idle_and_under_an_answer(self):
        (account,) = self.start(["alice"], connection_limit="2")
        self.house.upstream.message = message("unread", 5_000_000)
        self.idle(account)
        reading = self.house.logged_in(account)
        reading.send("F1 FETCH 1 BODY[]\r\n")
        reading.line()
        self.house.local.dead = True
        self.wait_for_log("ended: the connection to the client broke", 2)
        for session in self.house.upstream.sessions:
            self.assertTrue(session.ended.wait(30))
        # Clients that are on the gateway's own machine never lost it.
        at_home = self.house.gateway_home
        self.assertIn("L1 OK", self.house.log_in(account, at_home))
        self.assertIn("L1 OK", self.house.log_in(account, at_home))
        self.assertEqual(netns.sockets(at_home, "established"), 0)


class GoneAndBack(Case):
    def test_all_is_as_before_without_a_restart(self):
        patient = DEADLINES.replace('tcp_user_timeout = "2s"', 'tcp_user_timeout = "60s"')
        alice, bob = self.start(["alice", "bob"], patient)
        clients = [self.idle(alice) for _ in range(3)]
        spent = processor_time(self.gateway.pid)
        self.house.mail.down()
        for _ in range(3):
            # Alice's token is at hand, Bob's is not; either way it is no wrong password.
            for account in (alice, bob):
                self.assertIn("L1 NO [UNAVAILABLE]", self.house.log_in(account))
        self.assertLess(processor_time(self.gateway.pid) - spent, 3.0, "it spins while the network is away")
        self.house.mail.up()
        for account in (alice, bob):
            wait_until(lambda: "L1 OK" in self.house.log_in(account), f"a login of {account.login}")
        for client in clients:
            client.send("DONE\r\nN1 NOOP\r\n")
            self.assertIn("N1 OK", client.answer("N1"))
        self.assertEqual(len(self.house.endpoint.forms("bob")), 1)
        # It starts without a network, too.
        self.gateway.stop()
        self.house.mail.down()
        self.gateway.start()
        self.assertIn("L1 NO [UNAVAILABLE]", self.house.log_in(alice))
        self.house.mail.up()
        wait_until(lambda: "L1 OK" in self.house.log_in(alice), "a login after a start without a network")


class Lossy(Case):
    def test_one_packet_in_ten_is_lost_and_not_one_octet(self):
        """200 ms there and back, on both wires; eight clients fetch and store at once."""
        names = [f"client{number}" for number in range(8)]
        accounts = self.start(names, '[deadlines]\nfailed_login_delay = "10ms"\n')
        for wire in (self.house.mail, self.house.local):
            wire.delay, wire.loss = 0.05, 0.1
        received = message("received", 200_000)
        self.house.upstream.message = received

        def talk(account):
            sent = message(f"sent-{account.login}", 200_000)
            client = self.house.logged_in(account)
            client.send("F1 FETCH 1 BODY[]\r\n")
            self.assertEqual(client.line(), b"* 1 FETCH (BODY[] {%d}\r\n" % len(received))
            self.assertTrue(client.read(len(received)) == received, "the mail has changed")
            client.answer("F1")
            client.send(b"A1 APPEND INBOX {%d+}\r\n" % len(sent) + sent + b"\r\n")
            self.assertIn("A1 OK", client.answer("A1"))
            return sent

        with ThreadPoolExecutor(len(accounts)) as pool:
            sent = list(pool.map(talk, accounts))
        recorded = [bytes(session.received) for session in self.house.upstream.sessions]
        for text in sent:
            self.assertEqual(sum(text in session for session in recorded), 1)
        self.assertGreater(self.house.mail.lost, 100)


class BlackHole(Case):
    def test_large_packets_vanish(self):
        (account,) = self.start(["alice"])
        sending = self.house.logged_in(account)
        self.house.mail.longest = 200
        # A ClientHello does not fit through.
        self.assertIn("L1 NO [UNAVAILABLE]", self.house.log_in(account))
        sending.send(b"A1 APPEND INBOX {100000+}\r\n" + bytes(100_000) + b"\r\n")
        self.assertEqual(sending.rest(), b"")
        sending.leave()
        self.wait_for_log("ended: the connection to the mail server broke")
        self.house.mail.longest = 65535
        self.assertIn("L1 OK", self.house.log_in(account))


def processor_time(pid):
    """Seconds that a process has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
