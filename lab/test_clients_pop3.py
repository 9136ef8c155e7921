"""Each real program that reads mail by POP3, in each form of login and local TLS mode that it knows, against
Dovecot."""

import unittest

import lab
from cases import MODES, cases
from clients import message
from clients.pop3 import Curl, Fetchmail, Getmail, Mutt, Poplib, Snail
from gateway import Account, Gateway, Server
from raw import RawPop3

NAMES = ("pop3-first", "pop3-second", "pop3-third")


def mail(name):
    """A mail with lines that POP3 must stuff."""
    return message(name) + b".\r\n..two dots\r\n.end\r\n"


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        world = lab.world()
        # Mailboxes of their own: every program fetches all that there is.
        cls.account = Account("petra@lab.test", "reader", pop3=world.dovecot.pop3s)
        cls.other = Account("paul", "reader-opaque", mailbox="paul@lab.test", pop3=Server(world.dovecot.pop3, "starttls"))
        for client in ("reader", "reader-opaque"):
            with world.mailbox(client) as imap:
                for name in NAMES:
                    imap.append("INBOX", None, None, mail(name))
        cls.gateway = cls.enterClassContext(Gateway(world, "clients-pop3", [cls.account, cls.other], modes=MODES))

    def client(self, program, mode, port, account=None, login=""):
        account, world = account or self.account, lab.world()
        name = f"{program.__name__}-pop3-{account.client}-{mode}-{port}-{login.replace(' ', '-')}"
        port = self.gateway.port("pop3", port)
        return program(world, world.path("homes", name), port, mode, account.login, account.password())

    def fetches(self, program, exactly=False, account=None, modes=("none", "starttls", "implicit")):
        """Every case of one program: it gets every mail of the mailbox."""
        for mode, port in cases():
            if mode not in modes:
                continue
            for login in program.LOGINS:
                with self.subTest(mode=mode, port=port, login=login):
                    fetched = self.client(program, mode, port, account, login).fetch_all(login=login)
                    if exactly:
                        self.assertEqual(fetched, b"".join(mail(name) for name in NAMES))
                    for name in NAMES:
                        self.assertIn(f"Message-ID: <{name}@lab.test>".encode(), fetched)
                    self.assertEqual(fetched.count(b"\n.end"), len(NAMES))

    def test_curl(self):
        self.fetches(Curl, exactly=True)

    def test_poplib(self):
        self.fetches(Poplib, exactly=True)

    def test_poplib_with_the_other_account(self):
        self.fetches(Poplib, exactly=True, account=self.other)

    def test_fetchmail(self):
        self.fetches(Fetchmail)

    def test_mutt(self):
        self.fetches(Mutt)

    def test_s_nail(self):
        self.fetches(Snail)

    def test_getmail(self):
        self.fetches(Getmail, modes=("none", "implicit"))

    def test_what_is_deleted_is_gone(self):
        world = lab.world()
        with world.mailbox("eraser") as imap:
            for name in NAMES:
                imap.append("INBOX", None, None, mail(name))
        account = Account("erika@lab.test", "eraser", pop3=world.dovecot.pop3s)
        with Gateway(world, "pop3-deleted", [account]) as gateway:
            def session():
                return Poplib(
                    world, world.path("homes", "eraser"), gateway.port("pop3"), "none", account.login, account.password()
                ).session()

            pop = session()
            pop.dele(2)
            pop.quit()
            pop = session()
            self.assertEqual(pop.stat()[0], 2)
            # A session that is not ended by QUIT deletes nothing.
            pop.dele(1)
            pop.close()
            pop = session()
            self.assertEqual(pop.stat()[0], 2)
            pop.quit()

    def test_what_a_client_is_told(self):
        """The capabilities of the upstream, without what is not for a client that logs in by password."""
        with RawPop3(self.gateway.port("pop3")) as client:
            self.assertTrue(client.greeting.startswith(b"+OK "))
            # Where a timestamp stands, clients try APOP.
            self.assertNotIn(b"<", client.greeting)
            before = client.lines("CAPA")
            self.assertIn(b"\r\nUSER\r\n", before)
            self.assertIn(b"\r\nSASL PLAIN LOGIN\r\n", before)
            self.assertNotIn(b"STLS", before)
            self.assertRegex(client.login(self.account.login, self.account.password()), r"\A\+OK.*\r\n\+OK.*\r\n\Z")
            after = client.lines("CAPA")
            self.assertIn(b"\r\nUIDL\r\n", after)
            for hidden in (b"SASL", b"STLS", b"XOAUTH2"):
                self.assertNotIn(hidden, after)
