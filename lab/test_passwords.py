"""Local passwords as people use them: limited, dictated, looked after, revoked."""

import re
import sqlite3
import unittest
from contextlib import closing

import lab
from gateway import Account, Gateway
from process import wait_until
from raw import RawImap, RawPop3, RawSmtp
from upstream.imap import RecordingImap
from upstream.smtp import RecordingSmtp

LOGIN = "alice@lab.test"


class Passwords(unittest.TestCase):
    def setUp(self):
        world = lab.world()
        imap, smtp = self.enterContext(RecordingImap(world)), self.enterContext(RecordingSmtp(world))
        self.account = Account(LOGIN, "robot", imap=imap.port, pop3=imap.port, smtp=smtp.port)
        name = f"passwords-{self.id().split('.')[-1]}"
        self.gateway = self.enterContext(
            Gateway(world, name, [self.account], settings='[deadlines]\nfailed_login_delay = "10ms"\n')
        )
        self.upstreams = imap, smtp

    def generate(self, name, *limits):
        """A password that people would read from the screen; the search for secrets hears of it."""
        password = self.gateway.command("account", "password", LOGIN, "--name", name, "--generate", *limits).strip()
        self.account.passwords[name] = password
        return password

    def limit(self, name, *limits):
        return self.gateway.command("account", "limit-password", LOGIN, "--name", name, *limits)

    def client(self, kind, protocol):
        return self.enterContext(kind(self.gateway.port(protocol)))

    def answers(self, password):
        """What each protocol says to it, in new connections."""
        return [
            self.client(kind, protocol).login(LOGIN, password)
            for kind, protocol in ((RawImap, "imap"), (RawPop3, "pop3"), (RawSmtp, "smtp"))
        ]

    def show(self):
        return self.gateway.command("account", "show", LOGIN)

    def store(self):
        return closing(sqlite3.connect(f"{self.gateway.state}/store.sqlite", isolation_level=None))

    def generation(self):
        with self.store() as store:
            return store.execute("SELECT generation FROM store").fetchone()[0]

    def test_generated_ones_can_be_read_aloud(self):
        letter = "[a-hjkmnp-z2-9]"
        for number in range(5):
            self.assertRegex(self.generate(f"n{number}"), rf"\A{letter}{{5}}-{letter}{{4}}-{letter}{{5}}\Z")
        self.assertIn("L1 OK", self.client(RawImap, "imap").login(LOGIN, self.account.password("n3")))

    def test_outside_its_limits_a_password_is_a_wrong_one(self):
        printer = self.generate("printer", "--protocol", "smtp", "--network", "127.0.0.0/8")
        wrong = self.answers("wrong")
        sends = self.client(RawSmtp, "smtp")
        self.assertEqual(sends.login(LOGIN, printer)[:3], "235")
        answers = self.answers(printer)
        self.assertEqual(answers[:2], wrong[:2])
        self.assertEqual(answers[2][:3], "235")
        command = f"saslgate account limit-password {LOGIN} --name printer --protocol smtp,imap"
        self.assertIn(f'the local password "printer" may not be used for IMAP, only within its limits (to allow it: '
                      f"{command})", self.gateway.log())

        # With the command from the log it works.
        self.gateway.command(*command.split()[1:])
        self.assertIn("L1 OK", self.client(RawImap, "imap").login(LOGIN, printer))

        # Another network ends what goes on, and opens nothing.
        other = self.client(RawImap, "imap")
        self.assertIn("L1 OK", other.login(LOGIN, self.account.password()))
        self.assertIn("from 192.0.2.0/24", self.limit("printer", "--network", "192.0.2.0/24"))
        self.assertRegex(sends.rest(), rb"\A421 4\.[37]\.\d [^\r]*\r\n\Z")
        self.assertIn("N1 OK", other.command("N1", "NOOP"))
        self.assertEqual(self.answers(printer), wrong)
        self.gateway.wait_for_log('the local password "printer" may not be used from 127.0.0.1')
        self.gateway.wait_for_log("it is outside the new limits of its local password: the session ends")
        self.assertIn("without limits", self.limit("printer", "--network", "any", "--protocol", "any"))
        self.assertEqual(self.client(RawSmtp, "smtp").login(LOGIN, printer)[:3], "235")

    def test_the_last_use_is_shown_and_is_no_change(self):
        printer = self.generate("printer", "--protocol", "smtp")
        self.generate("tablet")
        self.assertEqual(len(re.findall("no use known", self.show())), 3)
        self.assertIn("L1 OK", self.client(RawImap, "imap").login(LOGIN, self.account.password()))
        wait_until(lambda: "for IMAP from 127.0.0.1" in self.show(), "the last use")
        before = self.generation()
        self.assertEqual(self.client(RawSmtp, "smtp").login(LOGIN, printer)[:3], "235")
        wait_until(lambda: "for SMTP from 127.0.0.1" in self.show(), "the last use")
        self.assertEqual(self.generation(), before)
        self.assertEqual(len(re.findall("no use known", self.show())), 1)
        listed = self.gateway.command("account", "list")
        self.assertRegex(listed, r"printer \(\S+, only for SMTP, last used \d{4}-\d\d-\d\d\), tablet \(\S+\)")

        # The next one waits for its turn, and is written at the end.
        self.assertEqual(self.client(RawSmtp, "smtp").login(LOGIN, self.account.password())[:3], "235")
        self.assertIn("for IMAP from 127.0.0.1", self.show())
        self.gateway.stop()
        self.assertEqual(self.show().count("for SMTP from 127.0.0.1"), 2)
        self.gateway.start()
        # Another password of that name has not been used.
        self.generate("printer")
        self.assertEqual(len(re.findall("no use known", self.show())), 2)

    def test_no_login_waits_for_it(self):
        printer = self.generate("printer")
        self.assertIn("L1 OK", self.client(RawImap, "imap").login(LOGIN, self.account.password()))
        with self.store() as store:
            # Nobody else can write now.
            store.execute("BEGIN IMMEDIATE")
            self.assertIn("L1 OK", self.client(RawImap, "imap").login(LOGIN, printer))
            used = store.execute("SELECT count(*) FROM password_uses WHERE name = 'printer'").fetchone()[0]
            self.assertEqual(used, 0)
            store.execute("ROLLBACK")
        wait_until(lambda: self.show().count("last used") == 2, "both last uses")

    def test_a_revoked_one_ends_its_sessions_and_no_others(self):
        printer, tablet = self.generate("printer"), self.generate("tablet")
        first, second = self.client(RawSmtp, "smtp"), self.client(RawSmtp, "smtp")
        self.assertEqual(first.login(LOGIN, printer)[:3], "235")
        self.assertEqual(second.login(LOGIN, tablet)[:3], "235")
        self.gateway.command("account", "remove-password", LOGIN, "--name", "printer")
        self.assertRegex(first.rest(), rb"\A421 4\.[37]\.\d [^\r]*\r\n\Z")
        self.assertEqual(second.command("NOOP")[:3], "250")
        self.assertEqual(self.client(RawSmtp, "smtp").login(LOGIN, printer)[:9], "535 5.7.8")
        self.assertNotIn("printer", self.show())
