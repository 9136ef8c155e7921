"""Each real mail program, in each local TLS mode that it knows, against Dovecot."""

import unittest

import lab
from cases import MODES, cases
from clients import message, same_mail
from clients.imap import Curl, Fetchmail, Imaplib, Mbsync, Mutt
from gateway import Account, Gateway, Server
from raw import RawImap

class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        world = lab.world()
        cls.account = Account("alice@lab.test", "robot", world.dovecot.imaps)
        # The second account covers the upstream's other port, and the other kind of token.
        cls.other = Account("bob", "robot-opaque", Server(world.dovecot.imap, "starttls"), mailbox="bob@lab.test")
        cls.gateway = cls.enterClassContext(Gateway(world, "clients-imap", [cls.account, cls.other], modes=MODES))

    def client(self, program, mode, port, account=None):
        """A program with a home of its own."""
        account = account or self.account
        world, name = lab.world(), f"{program.__name__}-{mode}-{port}-{self.id().split('.')[-1]}"
        return program(
            world, world.path("homes", name), self.gateway.port("imap", port), mode, account.login, account.password()
        )

    def test_curl(self):
        for mode, port in cases():
            for number, login in enumerate(Curl.LOGINS):
                with self.subTest(mode=mode, port=port, login=login):
                    curl = self.client(Curl, mode, port)
                    message_id = f"curl-{mode}-{port}-{number}"
                    self.assertIn("INBOX", curl.list(login=login))
                    curl.append(message(message_id), login=login)
                    self.assertEqual(curl.fetch(message_id, login=login), message(message_id))

    def test_imaplib(self):
        for mode, port in cases():
            for login in ("LOGIN command", "AUTHENTICATE PLAIN"):
                for account in (self.account, self.other):
                    with self.subTest(mode=mode, port=port, login=login, account=account.login):
                        imap = self.client(Imaplib, mode, port, account)
                        message_id = f"imaplib-{mode}-{port}-{login[:2]}"
                        self.assertIn("INBOX", imap.list(login=login))
                        imap.append(message(message_id), login=login)
                        self.assertEqual(imap.fetch(message_id, login=login), message(message_id))

    def test_mbsync(self):
        for mode, port in cases():
            for mechanism in ("LOGIN", "PLAIN"):
                with self.subTest(mode=mode, port=port, mechanism=mechanism):
                    seeded, pushed = (f"mbsync-{way}-{mode}-{port}-{mechanism}" for way in ("down", "up"))
                    imap = self.client(Imaplib, "none", "none")
                    imap.append(message(seeded))
                    near = self.client(Mbsync, mode, port).sync(message(pushed), mechanism)
                    self.assertTrue(any(same_mail(mail, message(seeded)) for mail in near))
                    self.assertTrue(same_mail(imap.fetch(pushed), message(pushed)))

    def test_fetchmail(self):
        for mode, port in cases():
            with self.subTest(mode=mode, port=port):
                message_id = f"fetchmail-{mode}-{port}"
                self.client(Imaplib, "none", "none").append(message(message_id))
                fetched = self.client(Fetchmail, mode, port).fetch_all()
                self.assertIn(f"Message-ID: <{message_id}@lab.test>".encode(), fetched)

    def test_mutt(self):
        for mode, port in cases():
            with self.subTest(mode=mode, port=port):
                mutt = self.client(Mutt, mode, port)
                message_id = f"mutt-{mode}-{port}"
                mutt.append(message_id)
                copied = mutt.fetch_all()
                self.assertIn(f"Subject: {message_id}".encode(), copied)
                self.assertIn(b"Filed by mutt", copied)

    def test_what_a_client_is_told(self):
        """The capabilities of the upstream, without what is not for a client that logs in by password."""
        with RawImap(self.gateway.port("imap")) as client:
            self.assertIn(b"AUTH=PLAIN", client.greeting)
            self.assertNotIn(b"LOGINDISABLED", client.greeting)
            answer = client.login(self.account.login, self.account.password())
            self.assertIn("L1 OK [CAPABILITY ", answer)
            # Dovecot's own, so it is the upstream that speaks …
            self.assertIn("NAMESPACE", answer)
            # … and what it says of mechanisms stays with us.
            for hidden in ("AUTH=", "LOGINDISABLED", "STARTTLS", "COMPRESS"):
                self.assertNotIn(hidden, answer)
                self.assertNotIn(hidden, client.command("C1", "CAPABILITY"))
