"""Mail from one end to the other: much of it, with tokens and with passwords, sent and read back."""

import threading
import unittest
from collections import Counter

import lab
from clients import message, same_mail
from clients.imap import Imaplib
from clients.pop3 import Fetchmail, Poplib
from clients.smtp import SENDER, Smtplib
from gateway import Account, Gateway, Server
from process import wait_until
from raw import RawPop3, RawSmtp
from upstream.pop3 import RecordingPop3
from upstream.smtp import RecordingSmtp
from world import UPSTREAM_PASSWORD


class Many(unittest.TestCase):
    """Nothing lost and nothing doubled, counted where it arrives."""

    def sender(self, gateway, account, name):
        world = lab.world()
        return Smtplib(
            world, world.path("homes", name), gateway.port("smtp"), "none", account.login, account.password()
        )

    def arrived(self, server, prefix, number):
        """Waits for so many messages, then counts each by its Message-ID."""
        def ours():
            return [found.message_id for found in list(server.messages) if found.message_id.startswith(prefix)]

        wait_until(lambda: len(ours()) >= number, f"{number} messages {prefix}…, not {len(ours())}")
        self.assertEqual(Counter(ours()), Counter(f"{prefix}{count}" for count in range(number)))

    def test_a_thousand_on_one_connection(self):
        world = lab.world()
        account = Account("alice@lab.test", "robot", smtp=(world.postfix or world.dovecot).submissions)
        with Gateway(world, "thousand-smtp", [account]) as gateway:
            with self.sender(gateway, account, "thousand").session() as smtp:
                for number in range(1000):
                    smtp.sendmail(SENDER, ["somebody@sink.test"], message(f"thousand-{number}"))
            self.arrived(world.sink, "thousand-", 1000)
            wait_until(lambda: gateway.log().count(" sent connection=") == 1000, "a line for each in the log")

    def test_twenty_senders_at_once_each_message_on_a_connection_of_its_own(self):
        """More than the account may have connections: some wait for their turn, and none hears of it."""
        world = lab.world()
        senders, each = 20, 50
        upstream = self.enterContext(RecordingSmtp(world))
        account = Account("alice@lab.test", "robot", smtp=Server(upstream.port, settings={"connection_limit": 16}))
        with Gateway(world, "senders-smtp", [account]) as gateway:
            start, faults = threading.Barrier(senders), []

            def send(first):
                client = self.sender(gateway, account, f"sender-{first}")
                start.wait()
                try:
                    for number in range(first, first + each):
                        client.send(f"senders-{number}")
                except Exception as error:
                    faults.append(error)

            threads = [threading.Thread(target=send, args=(number * each,)) for number in range(senders)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(faults, [])
            self.arrived(upstream, "senders-", senders * each)
            self.assertEqual(len(upstream.sessions), senders * each)

    def test_twenty_senders_through_the_real_server(self):
        world = lab.world()
        account = Account("alice@lab.test", "robot", smtp=(world.postfix or world.dovecot).submissions)
        with Gateway(world, "real-senders-smtp", [account]) as gateway:
            faults = []

            def send(first):
                try:
                    with self.sender(gateway, account, f"real-sender-{first}").session() as smtp:
                        for number in range(first, first + 10):
                            smtp.sendmail(SENDER, ["somebody@sink.test"], message(f"real-{number}", 20_000))
                except Exception as error:
                    faults.append(error)

            threads = [threading.Thread(target=send, args=(number * 10,)) for number in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(faults, [])
            self.arrived(world.sink, "real-", 200)


class EndToEnd(unittest.TestCase):
    """Sent through the gateway, delivered by Postfix, read through the gateway."""

    def setUp(self):
        self.world = lab.world()
        if not self.world.postfix:
            self.skipTest("Postfix, which delivers, runs as root only")

    def client(self, program, gateway, account, protocol, mode="none"):
        name = f"{self.id().split('.')[-1]}-{protocol}-{account.login}"
        return program(
            self.world, self.world.path("homes", name), gateway.port(protocol, mode), mode,
            account.login, account.password(),
        )

    def sent_and_read(self, account, name, mailbox="alice@lab.test"):
        with Gateway(self.world, name, [account]) as gateway:
            self.client(Smtplib, gateway, account, "smtp").send(name, mailbox)
            imap = self.client(Imaplib, gateway, account, "imap")

            def delivered():
                with imap.session() as session:
                    session.select()
                    return session.search(None, "HEADER", "Message-ID", name)[1][0]

            wait_until(delivered, "the message in the mailbox")
            self.assertTrue(same_mail(imap.fetch(name), message(name)))
            self.assertIn(f"Message-ID: <{name}@lab.test>".encode(), self.client(Poplib, gateway, account, "pop3").fetch_all())

    def account(self, imap, pop3, smtp, client="mixed"):
        return Account("mia@lab.test", client, imap=imap, pop3=pop3, smtp=smtp)

    def tokens(self):
        dovecot = self.world.dovecot
        return {
            "imap": dovecot.imaps, "pop3": Server(dovecot.pop3, "starttls"),
            "smtp": Server(self.world.postfix.submission, "starttls"),
        }

    def passwords(self):
        dovecot, postfix = self.world.password_dovecot, self.world.postfix
        return {
            "imap": Server(dovecot.imap, "starttls", password=UPSTREAM_PASSWORD),
            "pop3": Server(dovecot.pop3s, password=UPSTREAM_PASSWORD),
            "smtp": Server(postfix.password_submission, "starttls", password=UPSTREAM_PASSWORD),
        }

    def test_with_tokens(self):
        self.sent_and_read(self.account(**self.tokens()), "all-tokens", "mia@lab.test")

    def test_tokens_in_and_a_password_out(self):
        servers = self.tokens() | {"smtp": self.passwords()["smtp"]}
        self.sent_and_read(self.account(**servers), "password-out", "mia@lab.test")

    def test_passwords_in_and_a_token_out(self):
        servers = self.passwords() | {"smtp": self.tokens()["smtp"]}
        self.sent_and_read(self.account(**servers), "token-out", "mia@lab.test")

    def test_passwords_only(self):
        """An account that no provider knows."""
        self.sent_and_read(self.account(**self.passwords(), client=None), "all-passwords", "mia@lab.test")

    def test_fetchmail_reads_here_and_sends_there(self):
        account = Account("frida@lab.test", "forwarder", imap=self.world.dovecot.imaps, pop3=self.world.dovecot.pop3s,
                          smtp=self.world.postfix.submissions)
        with Gateway(self.world, "forwarded", [account], modes=("none", "starttls")) as gateway:
            self.client(Imaplib, gateway, account, "imap").append(message("forwarded"))
            for mode in ("none", "starttls"):
                with self.subTest(mode=mode):
                    recipient = f"{mode}@sink.test"
                    self.client(Fetchmail, gateway, account, "pop3", mode).forward(
                        gateway.port("smtp"), account.login, account.password(), recipient
                    )
                    came = wait_until(
                        lambda: [found for found in self.world.sink.with_id("forwarded") if found.recipients == [recipient]],
                        "the message forwarded",
                    )
                    self.assertEqual(len(came), 1)
                    self.assertTrue(same_mail(came[0].octets, message("forwarded")))


class StoredPassword(unittest.TestCase):
    """What a server that takes a password is shown, and what the client hears of it."""

    def start(self, upstream, protocol, user=""):
        world = lab.world()
        server = Server(upstream.port, upstream.tls, password="stored Pässword", user=user)
        self.account = Account("alice@lab.test", None, **{protocol: server})
        name = f"stored-{protocol}-{len(Gateway.all)}"
        return self.enterContext(Gateway(world, name, [self.account]))

    def shown(self, upstream):
        session = upstream.sessions[-1]
        return session.mechanism, session.user, session.password, session.token

    def test_smtp(self):
        for mechanisms in (("PLAIN",), ("LOGIN",), ("LOGIN", "PLAIN")):
            for tls in ("implicit", "starttls"):
                with self.subTest(mechanisms=mechanisms, tls=tls):
                    upstream = self.enterContext(RecordingSmtp(lab.world(), tls, mechanisms))
                    gateway = self.start(upstream, "smtp", user="another")
                    with RawSmtp(gateway.port("smtp")) as client:
                        reply = client.login(self.account.login, self.account.password())
                        self.assertTrue(reply.startswith("235"), reply)
                    self.assertEqual(self.shown(upstream)[1:], ("another", "stored Pässword", None))
                    self.assertIn(upstream.sessions[-1].mechanism, mechanisms)
                    self.doCleanups()

    def test_pop3(self):
        for mechanisms, takes_user in ((("PLAIN",), False), ((), True), (("PLAIN",), True)):
            with self.subTest(mechanisms=mechanisms, takes_user=takes_user):
                upstream = self.enterContext(RecordingPop3(lab.world(), "starttls", mechanisms, takes_user))
                gateway = self.start(upstream, "pop3")
                with RawPop3(gateway.port("pop3")) as client:
                    reply = client.login(self.account.login, self.account.password())
                    self.assertRegex(reply, r"\A\+OK.*\r\n\+OK", reply)
                self.assertEqual(self.shown(upstream)[1:], ("alice@lab.test", "stored Pässword", None))
                self.doCleanups()

    def test_a_stored_password_that_is_refused_is_not_the_client_s_fault(self):
        """Else the client would forget its own, which is right."""
        upstream = self.enterContext(RecordingSmtp(lab.world(), mechanisms=("PLAIN",)))
        upstream.refuse, upstream.refusal = lambda password: True, b"535 5.7.8 Wrong\r\n"
        gateway = self.start(upstream, "smtp")
        with RawSmtp(gateway.port("smtp")) as client:
            self.assertTrue(client.login(self.account.login, self.account.password()).startswith("454 4.7.0 "))
        self.doCleanups()
        upstream = self.enterContext(RecordingPop3(lab.world(), mechanisms=("PLAIN",), takes_user=True))
        upstream.refuse = lambda password: True
        gateway = self.start(upstream, "pop3")
        with RawPop3(gateway.port("pop3")) as client:
            self.assertIn("-ERR [SYS/PERM]", client.login(self.account.login, self.account.password()))
