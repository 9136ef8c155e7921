"""Whoever tries passwords: learns nothing, gets few attempts, and keeps nobody else out; and whoever opens
connections and says nothing.

Work is counted, by the evaluations that the log tells at TRACE; no clock is asked. What is to be waited for is an hour, so
that nothing here can pass by waiting.
"""

import base64
import itertools
import re
import resource
import socket
import unittest

import lab
from gateway import Account, Gateway, Server
from process import free_port, resident, wait_until
from raw import RawImap, RawPop3, RawSmtp, plain
from upstream.imap import RecordingImap
from upstream.pop3 import RecordingPop3
from upstream.smtp import RecordingSmtp

EVALUATION = "a local password is evaluated"
WRONG = "wrong login name or local password"
HOUR = '[deadlines]\nfailed_login_delay = "1h"\n'


def own_address():
    """An address of this machine that is not loopback, or nothing; no packet is sent for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = probe.getsockname()[0]
    return None if address.startswith("127.") else address


def base64_of(text):
    return base64.b64encode(text.encode()).decode()


GUESSES = itertools.count()


class Guesses(unittest.TestCase):
    def start(self, name, accounts, settings, address=None):
        """`address`: listens there as well."""
        self.gateway = Gateway(lab.world(), f"guess-{name}", accounts, settings=settings)
        if address:
            self.port = free_port()
            listen = f'[[listen]]\nprotocol = "imap"\naddress = "{address}:{self.port}"\nallow_clear_network = true\n'
            self.gateway.rewrite("[defaults]", f"{listen}[defaults]")
        return self.enterContext(self.gateway)

    def recorders(self):
        world = lab.world()
        kinds = RecordingImap, RecordingPop3, RecordingSmtp
        return [Server(self.enterContext(kind(world)).port) for kind in kinds]

    def imap(self, address="127.0.0.1", port=None):
        client = object.__new__(RawImap)
        client.socket = socket.create_connection((address, port or self.gateway.port("imap")), timeout=60)
        client._reader = client.socket.makefile("rb")
        client.greeting = client.greet()
        self.addCleanup(client.leave)
        return client

    def guess(self, login, address="127.0.0.1", port=None):
        """A wrong login that nobody waits for; each is another guess."""
        client = self.imap(address, port)
        client.send(f"g LOGIN {login} wrong{next(GUESSES)}\r\n")
        return client

    def wait_for_wrong(self, count):
        wait_until(lambda: self.gateway.log().count(WRONG) >= count, f"{count} wrong logins")


class Unknown(Guesses):
    """An unknown name, a wrong password, and all that is to look like them."""

    def ways(self):
        """Each mechanism of each protocol: what it says to this login."""

        def imap(text):
            return lambda user, password: self.with_client(
                RawImap, "imap", lambda it: it.command("a", text(user, password))
            )

        def smtp(*texts):
            return lambda user, password: self.with_client(
                RawSmtp, "smtp",
                lambda it: [it.command("EHLO x")] and [it.command(text(user, password)) for text in texts][-1],
            )

        def pop3(*texts):
            return lambda user, password: self.with_client(
                RawPop3, "pop3", lambda it: [it.command(text(user, password)) for text in texts][-1]
            )

        user_part, password_part = lambda user, _: base64_of(user), lambda _, password: base64_of(password)
        return {
            "imap LOGIN": imap(lambda user, password: 'LOGIN "%s" "%s"' % (user.replace("\\", "\\\\"), password)),
            "imap PLAIN": imap(lambda *login: "AUTHENTICATE PLAIN " + plain(*login)),
            "imap AUTH LOGIN": lambda user, password: self.with_client(
                RawImap, "imap",
                lambda it: it.send(f"a AUTHENTICATE LOGIN\r\n{base64_of(user)}\r\n{base64_of(password)}\r\n")
                or [it.line(), it.line()] and it.answer("a"),
            ),
            "pop3 USER": pop3(lambda user, _: f"USER {user}", lambda _, password: f"PASS {password}"),
            "pop3 PLAIN": pop3(lambda *login: "AUTH PLAIN " + plain(*login)),
            "pop3 LOGIN": pop3(lambda *_: "AUTH LOGIN", user_part, password_part),
            "smtp PLAIN": smtp(lambda *login: "AUTH PLAIN " + plain(*login)),
            "smtp LOGIN": smtp(lambda *_: "AUTH LOGIN", user_part, password_part),
        }

    def with_client(self, kind, protocol, talk):
        with kind(self.gateway.port(protocol)) as client:
            return talk(client)

    def test_answer_and_work_are_the_same_by_every_mechanism(self):
        servers = self.recorders()
        anna = Account("anna@lab.test", "robot", *servers, settings={"shared": '["info@lab.test"]'})
        nobody = Account("without@lab.test", "robot", *servers)
        domain = Account("*@lab.example", "robot", *servers, settings={"mailboxes": '["listed@lab.example"]'})
        settings = '[deadlines]\nfailed_login_delay = "0s"\n'
        self.gateway = gateway = Gateway(lab.world(), "guess-unknown", [anna, nobody], settings=settings)
        with open(gateway.config, "a", encoding="utf-8") as file:
            file.write(gateway.account_toml(domain))
        self.addCleanup(gateway.__exit__, None, None, None)
        right, limited = anna.password(), anna.password("elsewhere")
        gateway.command("account", "password", anna.login, "--name", "main", stdin=right)
        limit = "--name", "elsewhere", "--network", "198.51.100.0/24"
        gateway.command("account", "password", anna.login, *limit, stdin=limited)
        gateway.start()
        cases = {
            "a wrong password": (anna.login, "wrong"), "an unknown name": ("nobody@lab.test", right),
            "an account without one": (nobody.login, right), "right elsewhere": (anna.login, limited),
            "an unknown mailbox": (f"{anna.login}\\boss@lab.test", right),
            "a shared one, wrong": (f"{anna.login}\\info@lab.test", "wrong"), "listed, wrong": ("listed@lab.example", right),
            "unlisted": ("other@lab.example", right), "the pattern": ("*@lab.example", right),
            "upper case": ("ANNA@LAB.TEST", "wrong"),
        }
        for way, log_in in self.ways().items():
            seen = {}
            for case, login in cases.items():
                before = gateway.log().count(EVALUATION)
                answer = log_in(*login)
                seen[case] = answer, gateway.log().count(EVALUATION) - before
            self.assertEqual(len(set(seen.values())), 1, (way, seen))
            answer, evaluations = next(iter(seen.values()))
            self.assertEqual(evaluations, 1, way)
            self.assertRegex(answer, r"NO \[AUTHENTICATIONFAILED\]|535 5\.7\.8|-ERR \[AUTH\]")
        # And the counter counts: a right one costs as much once, and then nothing.
        counts = []
        for _ in range(2):
            before = gateway.log().count(EVALUATION)
            self.assertIn("a OK", self.ways()["imap LOGIN"](anna.login, right))
            counts.append(gateway.log().count(EVALUATION) - before)
        self.assertEqual(counts, [1, 0])


class Flood(Guesses):
    def accounts(self):
        imap = self.enterContext(RecordingImap(lab.world()))
        anna, bob = (Account(f"{name}@lab.test", "robot", imap.port) for name in ("anna", "bob"))
        for name in ("second", "third"):
            anna.password(name)
        return anna, bob

    def test_guesses_from_another_address_keep_the_owner_nowhere_out(self):
        address = own_address()
        if not address:
            self.skipTest("this machine has no address but loopback")
        anna, bob = self.accounts()
        self.start("elsewhere", [anna, bob], HOUR, address)
        there = address, self.port
        # The owner was here before, from both places.
        for place in ((), there):
            self.assertIn("L1 OK", self.imap(*place).login(anna.login, anna.password()))
        # As many as may wait at once, and more; half of them hang up, which gives nothing back.
        crowd = [self.guess(anna.login, *there) for _ in range(30)]
        self.wait_for_wrong(8)
        for client in crowd[::2]:
            client.leave()
        self.guess("dom\\\\" + anna.login, *there)
        # She is in at once: from there with the password that she has used, from here with any; and so is another one.
        self.assertIn("L1 OK", self.imap(*there).login(anna.login, anna.password()))
        for name in ("main", "second"):
            self.assertIn("L1 OK", self.imap().login(anna.login, anna.password(name)))
        self.assertIn("L1 OK", self.imap(*there).login(bob.login, bob.password()))
        # The crowd had its eight guesses, and no more for the hour.
        self.assertEqual(self.gateway.log().count(WRONG), 8)

    def test_guesses_on_loopback_keep_the_owner_not_out(self):
        """All have one address there: she is let in before most of them are even looked at."""
        anna, bob = self.accounts()
        self.start("here", [anna, bob], HOUR)
        crowd = [self.imap() for _ in range(400)]
        owners = [self.imap() for _ in range(2)]
        for client in crowd:
            client.send(f"g LOGIN {anna.login} wrong\r\n")
        self.wait_for_wrong(1)
        self.assertIn("L1 OK", owners[0].login(anna.login, anna.password()))
        self.assertIn("L1 OK", owners[1].login(bob.login, bob.password()))
        self.assertLess(self.gateway.log().count(WRONG), 400)
        # What is remembered costs no evaluation, so the crowd is not even met.
        self.assertIn("L1 OK", self.imap().login(anna.login, anna.password()))

    def test_a_thousand_idle_strangers(self):
        """They go as others come, the oldest first; sessions stay; the log tells it once."""
        anna, _ = self.accounts()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < 2000:
            self.skipTest(f"needs 2000 file descriptors (ulimit -H -n: {hard})")
        enough = 8192 if hard == resource.RLIM_INFINITY else min(hard, 8192)
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.start("idle", [anna], "[limits]\nconnections_per_listener = 100\n" + HOUR)
        session = self.imap()
        self.assertIn("L1 OK", session.login(anna.login, anna.password()))
        crowd = [self.imap() for _ in range(1500)]
        self.assertIn("N1 OK", session.command("N1", "NOOP"))
        # In order: each of the oldest has heard why, and the newest are still there.
        for client in crowd[:1400:100]:
            self.assertIn(b"* BYE [UNAVAILABLE]", client.rest())
        self.assertIn("N2 OK", crowd[-1].command("N2", "NOOP"))
        self.assertIn("L1 OK", self.imap().login(anna.login, anna.password()))
        lines = [line for line in self.gateway.log().splitlines() if re.search(r" (INFO|WARN|ERROR) ", line)]
        told = [line for line in lines if "too many connections" in line]
        self.assertEqual(len(told), 1, told)
        self.assertIn("connections_per_listener", told[0])
        self.assertIn("(told once a minute)", told[0])
        self.assertLess(len(lines), 60)
        self.assertLess(resident(self.gateway.pid), 150_000_000)
