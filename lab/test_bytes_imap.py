"""Not one octet is lost, doubled, changed or out of order."""

import threading
import unittest

import lab
from clients import digest, message
from gateway import Account, Gateway
from raw import RawImap
from upstream.imap import RecordingImap

LARGE = 25_000_000


class AgainstDovecot(unittest.TestCase):
    def test_a_large_message_goes_up_and_comes_down(self):
        world = lab.world()
        account = Account("alice@lab.test", "robot", world.dovecot.imaps)
        mail = message("large", LARGE)
        with Gateway(world, "large", [account]) as gateway:
            with RawImap(gateway.port("imap")) as client:
                self.assertIn("L1 OK", client.login(account.login, account.password()))
                client.send(f"A1 APPEND INBOX {{{len(mail)}}}\r\n")
                self.assertTrue(client.line().startswith(b"+ "))
                client.send(mail + b"\r\n")
                self.assertIn("A1 OK", client.answer("A1"))
                client.command("A2", "SELECT INBOX")
                number = client.command("A3", "SEARCH HEADER Message-ID large").split("SEARCH ")[1].split()[0]
                client.send(f"A4 FETCH {number} BODY.PEEK[]\r\n")
                head = client.line()
                self.assertTrue(head.endswith(b"{%d}\r\n" % len(mail)), head)
                self.assertEqual(digest(client.read(len(mail))), digest(mail))
                self.assertIn("A4 OK", client.answer("A4"))


class AgainstARecorder(unittest.TestCase):
    """What left the client is what reached the server, and the other way round."""

    def setUp(self):
        world = lab.world()
        self.upstream = self.enterContext(RecordingImap(world))
        self.account = Account("alice@lab.test", "robot", self.upstream.port)
        name = f"recorder-{self.id().split('.')[-1]}"
        self.gateway = self.enterContext(Gateway(world, name, [self.account]))

    def client(self):
        return self.enterContext(RawImap(self.gateway.port("imap")))

    def logged_in(self):
        client = self.client()
        self.assertIn("L1 OK", client.login(self.account.login, self.account.password()))
        return client

    def test_commands_arrive_as_sent(self):
        client, sent = self.logged_in(), b""
        for tag, octets in {
            "a.1": b'a.1 noop\r\n',
            "x": b"x  LIST  \"\" {1+}\r\n*\r\n",
            "S1": b'S1 SELECT "in\\"box \xe4\xf6"\r\n',
            "B1": b"B1 APPEND INBOX (\\Seen) {5+}\r\n\x00\xff\r\nA\r\n",
            "B2": b"B2 APPEND INBOX ~{3+}\r\n\x00\x01\x02\r\n",
            "Z9": b"Z9 X-UNKNOWN [] () {0+}\r\n %\r\n",
        }.items():
            client.send(octets)
            sent += octets
            self.assertRegex(client.answer(tag), rf"(?m)^{tag} OK")
        self.assertEqual(bytes(self.upstream.sessions[0].received), sent)

    def test_commands_pipelined_with_the_login_arrive(self):
        client = self.client()
        rest = b"P2 SELECT INBOX\r\nP3 APPEND INBOX {4+}\r\nmail\r\nP4 NOOP\r\n"
        login = f'P1 LOGIN {self.account.login} "{self.account.password()}"\r\n'
        client.send(login.encode() + rest)
        self.assertIn("P4 OK", client.answer("P4"))
        self.assertEqual(bytes(self.upstream.sessions[0].received), rest)

    def test_a_large_message_arrives_as_sent(self):
        client, mail = self.logged_in(), message("large", LARGE)
        command = b"A1 APPEND INBOX {%d+}\r\n" % len(mail) + mail + b"\r\n"
        client.send(command)
        self.assertIn("A1 OK", client.answer("A1"))
        self.assertEqual(digest(self.upstream.sessions[0].received), digest(command))

    def test_a_large_message_comes_as_it_is(self):
        self.upstream.message = message("large", LARGE)
        client = self.logged_in()
        client.send("F1 FETCH 1 BODY[]\r\nF2 LOGOUT\r\n")
        came = client.rest()
        self.assertEqual(digest(came), digest(self.upstream.sessions[0].sent))

    def test_both_directions_at_once(self):
        self.upstream.message = message("large", LARGE // 5)
        client, mail = self.logged_in(), message("up", LARGE // 5)
        append = b"U1 APPEND INBOX {%d+}\r\n" % len(mail) + mail + b"\r\n"
        sent = b"D1 FETCH 1 BODY[]\r\n" + append + b"D2 FETCH 1 BODY[]\r\nD3 LOGOUT\r\n"
        writer = threading.Thread(target=client.send, args=(sent,))
        writer.start()
        came = client.rest()
        writer.join()
        session = self.upstream.sessions[0]
        self.assertEqual(digest(session.received), digest(sent))
        self.assertEqual(digest(came), digest(session.sent))

    def test_idle_passes(self):
        client = self.logged_in()
        client.send("I1 IDLE\r\n")
        self.assertEqual(client.line(), b"+ idling\r\n")
        client.send("DONE\r\n")
        self.assertIn("I1 OK", client.answer("I1"))
        self.assertEqual(bytes(self.upstream.sessions[0].received), b"I1 IDLE\r\nDONE\r\n")

    def test_a_second_login_stays_here(self):
        """No local password ever reaches the provider, not even by a command after the login."""
        client = self.logged_in()
        self.assertRegex(client.login("alice@lab.test", self.account.password(), tag="G1"), r"(?m)^G1 (BAD|NO)")
        client.send(f"G2 LOGIN alice@lab.test {{{len(self.account.password())}+}}\r\n{self.account.password()}\r\n")
        self.assertRegex(client.answer("G2"), r"(?m)^G2 (BAD|NO)")
        self.assertIn("G3 OK", client.command("G3", "NOOP"))
        self.assertEqual(bytes(self.upstream.sessions[0].received), b"G3 NOOP\r\n")

    def test_the_end_of_the_upstream_in_a_literal_loses_nothing(self):
        """What came before the break reaches the client, a slow one too, and nothing is made up after it."""
        self.upstream.message = message("cut", 1_000_000)
        self.upstream.cut_after = 700_000
        client = self.logged_in()
        client.send("F1 FETCH 1 BODY[]\r\n")
        # The server has gone before the client reads on.
        self.assertTrue(self.upstream.sessions[0].ended.wait(30))
        came = client.rest()
        self.assertEqual(digest(came), digest(self.upstream.sessions[0].sent))
        client.leave()
        self.gateway.wait_for_log("ended: ")
        # And the next one is served.
        self.upstream.cut_after = None
        self.assertIn("N1 OK", self.logged_in().command("N1", "NOOP"))
