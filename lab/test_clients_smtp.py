"""Each real program that sends mail, in each AUTH form and local TLS mode that it knows, through Postfix and
Dovecot to the sink."""

import unittest

import lab
from cases import MODES, cases
from clients import message
from clients.smtp import Curl, Msmtp, Mutt, Smtplib, Snail, Swaks
from gateway import Account, Gateway, Server
from raw import RawSmtp


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        world = lab.world()
        # Between them: both servers, both ports of an upstream, both kinds of token, both mechanisms.
        submission = world.postfix or world.dovecot
        cls.account = Account("alice@lab.test", "robot", smtp=submission.submissions)
        cls.other = Account(
            "bob", "robot-opaque", mailbox="bob@lab.test", smtp=Server(world.dovecot.submission, "starttls"),
            settings={"mechanism": '"oauthbearer"'},
        )
        cls.gateway = cls.enterClassContext(Gateway(world, "clients-smtp", [cls.account, cls.other], modes=MODES))

    def sends(self, program, account=None, as_sent=lambda came, sent: came.endswith(sent)):
        """Every case of one program: what it sends is at the sink, once, with its envelope."""
        world, account = lab.world(), account or self.account
        for mode, port in cases():
            for login in program.LOGINS:
                with self.subTest(mode=mode, port=port, login=login):
                    message_id = f"{program.__name__}-{account.client}-{mode}-{port}-{login.replace(' ', '-')}"
                    client = program(
                        world, world.path("homes", message_id), self.gateway.port("smtp", port), mode,
                        account.login, account.password(),
                    )
                    client.send(message_id, login=login)
                    came = world.sink.message(message_id)
                    self.assertEqual((came.sender, came.recipients), ("alice@lab.test", ["somebody@sink.test"]))
                    self.assertTrue(as_sent(came.octets, message(message_id)), came.octets)
                    self.assertEqual(len(world.sink.with_id(message_id)), 1)

    def test_curl(self):
        self.sends(Curl)

    def test_smtplib(self):
        self.sends(Smtplib)

    def test_smtplib_through_dovecot(self):
        self.sends(Smtplib, self.other)

    def test_swaks(self):
        # It adds an empty line.
        self.sends(Swaks, as_sent=lambda came, sent: came.rstrip().endswith(sent.rstrip()))

    def test_msmtp(self):
        self.sends(Msmtp)

    def test_mutt(self):
        self.sends(Mutt, as_sent=lambda came, _: came.endswith(b"\r\n\r\nSent by mutt\r\n"))

    def test_s_nail(self):
        self.sends(Snail, as_sent=lambda came, _: came.endswith(b"\r\n\r\nSent by s-nail\r\n"))

    def test_what_a_client_is_told(self):
        """Before the login what an upstream of this kind can do; after it what this one can."""
        with RawSmtp(self.gateway.port("smtp")) as client:
            self.assertRegex(client.greeting, r"\A220 \S+ ESMTP saslgate\r\n\Z")
            before = client.command("EHLO lab.test")
            self.assertIn("AUTH PLAIN LOGIN", before)
            self.assertIn("PIPELINING", before)
            self.assertNotIn("STARTTLS", before)
            self.assertIn("235 2.7.0", client.login(self.account.login, self.account.password()))
            after = client.command("EHLO lab.test")
            # Not said by the gateway itself, so it is the upstream that speaks …
            self.assertIn("VRFY" if lab.world().postfix else "BURL", after)
            # … and what it says of logins stays with us.
            for hidden in ("AUTH", "STARTTLS", "ETRN", "XCLIENT"):
                self.assertNotIn(hidden, after)
