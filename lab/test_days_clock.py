"""Clocks that jump, machines that sleep, providers that have had enough: nothing is lost, and nobody is stormed."""

import json
import os
import signal
import unittest
from concurrent.futures import ThreadPoolExecutor

import lab
from clients import message
from gateway import Account, Gateway, libfaketime
from netns import certificates
from process import wait_until
from raw import RawImap
from upstream.imap import RecordingImap
from upstream.mute import Mute
from upstream.token import Grant, Refusal, ScriptedEndpoint

SETTINGS = '[deadlines]\nfailed_login_delay = "10ms"\n'
# A provider's limits, as Gmail and Exchange Online name them.
THROTTLED = (
    b"{tag} NO [LIMIT] Too many simultaneous connections. (Failure)\r\n",
    b"{tag} NO [UNAVAILABLE] Request is throttled. Suggested Backoff Time: 299961 milliseconds\r\n",
    b"* BYE Temporary System Error\r\n{tag} NO Server Unavailable. 15\r\n",
)


class Clocks(unittest.TestCase):
    """The wall clock jumps, the one that timers go by does not: as when it is set, or after a sleep."""

    def setUp(self):
        world = lab.world()
        # Good already for a clock that is late.
        made = certificates(world.path(f"clock-{len(Gateway.all)}-certificates"), ("faketime", "-f", "-3d"))
        self.endpoint = self.enterContext(ScriptedEndpoint(None, (made.certificate, made.key)))
        self.upstream = self.enterContext(RecordingImap(made))
        self.issued, self.spent = ["Refresh-of-the-sign-in"], []
        self.endpoint.answers["clock"] = self.answer
        self.account = Account(
            "clock@lab.test", "public", self.upstream.port, grant="refresh_token", signed_in=False,
            settings={"token_url": f'"{self.endpoint.url("clock")}"'},
        )
        self.gateway = Sleepless(world, f"clock-{len(Gateway.all)}", [self.account], settings=SETTINGS, ca=made.ca)
        self.set_clock("+0")
        self.enterContext(self.gateway)
        self.gateway.command("account", "import-token", self.account.login, stdin=self.issued[0])

    def answer(self, form):
        """A new refresh token each time; the one before is then spent."""
        if form["refresh_token"] != self.issued[-1]:
            self.spent.append(form)
            return Refusal("invalid_grant")
        grant = Grant(refresh=True)
        self.issued.append(json.loads(grant.body)["refresh_token"])
        return grant

    def set_clock(self, offset):
        # Never half of it: it is read at any moment.
        self.gateway.write("clock.new", offset + "\n")
        os.replace(os.path.join(self.gateway.folder, "clock.new"), os.path.join(self.gateway.folder, "clock"))

    def logged_in(self):
        client = self.enterContext(RawImap(self.gateway.port("imap")))
        self.assertIn("L1 OK", client.login(self.account.login, self.account.password()))
        return client

    def test_a_clock_that_is_set_loses_nothing(self):
        clients = [self.logged_in()]
        for offset in ("+1d", "-1d", "+0"):
            before = len(self.issued)
            self.set_clock(offset)
            clients.append(self.logged_in())
            # One from the future, or one that has ended, is no token; neither is renewed twice.
            self.assertEqual(len(self.issued), before + 1, offset)
            for client in clients:
                self.assertIn("N1 OK", client.command("N1", "NOOP"))
        self.assertEqual(self.spent, [], "a refresh token was lost")
        self.assertLessEqual(len(self.endpoint.forms("clock")), 12)
        self.assertIn(self.account.login, self.gateway.command("status", "--json"))

    def test_a_machine_that_sleeps_goes_on_where_it_was(self):
        self.upstream.message = message("asleep", 5_000_000)
        idle, reading = self.logged_in(), self.logged_in()
        refreshed = len(self.issued)
        reading.send("F1 FETCH 1 BODY[]\r\n")
        head = reading.line()
        process = self.gateway.process
        process.send(signal.SIGSTOP)
        waiting = RawLater(self.gateway.port("imap"))
        self.enterContext(waiting)
        waiting.send(f'L1 LOGIN {self.account.login} "{self.account.password()}"\r\n')
        self.set_clock("+8h")
        process.send(signal.SIGCONT)
        self.assertEqual(head, b"* 1 FETCH (BODY[] {%d}\r\n" % len(self.upstream.message))
        self.assertTrue(reading.read(len(self.upstream.message)) == self.upstream.message)
        self.assertIn("F1 OK", reading.answer("F1"))
        self.assertIn("L1 OK", waiting.answer("L1"))
        self.assertIn("N1 OK", idle.command("N1", "NOOP"))
        # The token of eight hours ago is none, whatever the timers say.
        self.assertEqual(len(self.issued), refreshed + 1)


class Throttled(unittest.TestCase):
    def test_a_server_that_has_enough_is_asked_once_for_each_login(self):
        world = lab.world()
        talk = [b"* OK ready\r\n", b"* CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2\r\n{tag} OK\r\n"]
        servers = [self.enterContext(Mute(world, [*talk, said])) for said in THROTTLED]
        endpoint = self.enterContext(ScriptedEndpoint(world))
        accounts = []
        for number, server in enumerate(servers):
            endpoint.answers[f"t{number}"] = Grant()
            settings = {"token_url": f'"{endpoint.url(f"t{number}")}"', "connection_limit": "50"}
            accounts.append(Account(f"t{number}@lab.test", "robot", server.port, settings=settings))
        with Gateway(world, "throttled", accounts, settings=SETTINGS) as gateway, ThreadPoolExecutor(30) as pool:
            for answer in pool.map(lambda account: log_in(gateway, account), accounts * 10):
                self.assertIn("L1 NO [UNAVAILABLE]", answer)
        self.assertEqual([server.connections for server in servers], [10, 10, 10])
        # A new token would change nothing.
        self.assertEqual([len(endpoint.forms(f"t{number}")) for number in range(3)], [1, 1, 1])

    def test_an_endpoint_that_has_enough_is_left_alone(self):
        world = lab.world()
        endpoint = self.enterContext(ScriptedEndpoint(world))
        upstream = self.enterContext(RecordingImap(world))
        endpoint.answers = {
            "seconds": Refusal("temporarily_unavailable", status=429, Retry_After="600"),
            "tenant": Refusal("temporarily_unavailable", 90055, status=429, Retry_After="600"),
            "busy": Refusal("temporarily_unavailable", status=503, Retry_After="600"),
        }
        accounts = [
            Account(f"{name}@lab.test", "robot", upstream.port, settings={
                "token_url": f'"{endpoint.url(name)}"', "connection_limit": "50",
            })
            for name in endpoint.answers
        ]
        with Gateway(world, "enough", accounts, settings=SETTINGS) as gateway, ThreadPoolExecutor(30) as pool:
            for answer in pool.map(lambda account: log_in(gateway, account), accounts * 20):
                self.assertIn("L1 NO [UNAVAILABLE]", answer)
            # One that comes back is no reason to ask again.
            for account in accounts:
                self.assertIn("L1 NO [UNAVAILABLE]", log_in(gateway, account))
        self.assertEqual([len(endpoint.forms(name)) for name in endpoint.answers], [1, 1, 1])


class Sleepless(Gateway):
    """Its wall clock is what a file says, at every look: one beside its configuration, since it gives up most others."""

    def start(self, **options):
        faketime = {
            "LD_PRELOAD": libfaketime(), "FAKETIME_TIMESTAMP_FILE": os.path.join(self.folder, "clock"),
            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        super().start(variables=faketime, **options)


class RawLater(RawImap):
    """One that does not wait to be greeted."""

    def greet(self):
        return b""


def log_in(gateway, account):
    with RawImap(gateway.port("imap")) as client:
        return client.login(account.login, account.password())
