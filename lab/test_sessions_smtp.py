"""Senders one by one: wrong ones, those that leave, slow servers; and the end of the gateway."""

import base64
import threading
import unittest

import lab
from clients import digest, message
from gateway import Account, Gateway
from process import resident, wait_until
from raw import RawSmtp, plain
from upstream.smtp import RecordingSmtp


class OneByOne(unittest.TestCase):
    def setUp(self):
        world = lab.world()
        self.upstream = self.enterContext(RecordingSmtp(world))
        self.account = Account("alice@lab.test", "robot", smtp=self.upstream.port)
        self.account.password("second")
        name = f"sessions-smtp-{self.id().split('.')[-1]}"
        self.gateway = self.enterContext(
            Gateway(world, name, [self.account], settings='[deadlines]\nfailed_login_delay = "10ms"\n')
        )

    def client(self):
        return self.enterContext(RawSmtp(self.gateway.port("smtp")))

    def log_in(self, name="main"):
        client = self.client()
        self.assertEqual(client.login(self.account.login, self.account.password(name))[:3], "235")
        return client

    def test_wrong_and_unknown_are_the_same_answer(self):
        answers = set()
        for login, password in (
            (self.account.login, "wrong"), (self.account.login, ""), ("nobody@lab.test", self.account.password()),
        ):
            with RawSmtp(self.gateway.port("smtp")) as client:
                answers.add(client.login(login, password))
        self.assertEqual(len(answers), 1, answers)
        self.assertTrue(answers.pop().startswith("535 5.7.8 "))
        # None of it reached the provider's server.
        self.assertEqual(self.upstream.sessions, [])

    def test_a_right_password_after_a_wrong_one_and_after_a_cancelled_login(self):
        client = self.client()
        self.assertEqual(client.login(self.account.login, "wrong")[:3], "535")
        self.assertEqual(client.command("AUTH LOGIN")[:3], "334")
        self.assertEqual(client.command("*")[:3], "501")
        self.assertEqual(client.command("AUTH PLAIN ====")[:9], "501 5.5.2")
        self.assertEqual(client.login(self.account.login, self.account.password())[:3], "235")

    def test_a_revoked_password_ends_its_sessions_and_no_others(self):
        first, second = self.log_in("main"), self.log_in("second")
        self.gateway.command("account", "remove-password", self.account.login, "--name", "second")
        self.assertRegex(second.rest(), rb"\A421 4\.[37]\.\d [^\r]*\r\n\Z")
        self.assertEqual(first.command("NOOP")[:3], "250")
        again = self.client()
        self.assertEqual(again.login(self.account.login, self.account.password("second"))[:9], "535 5.7.8")

    def test_clients_that_leave_in_the_middle_of_a_login(self):
        whole = plain(self.account.login, self.account.password())
        user = base64.b64encode(self.account.login.encode()).decode()
        for left in (
            "", "E", "EHLO lab.test\r\nAUTH", "AUTH PLAIN\r\n", f"AUTH PLAIN {whole[:9]}", "AUTH LOGIN\r\n",
            f"AUTH LOGIN {user}\r\n", f"EHLO x\r\nAUTH LOGIN\r\n{user}\r\n",
        ):
            client = self.client()
            client.send(left)
            client.leave()
        # Leaves while the upstream thinks the login over; the session there ends as well.
        self.upstream.go_on.clear()
        client = self.client()
        client.send(f"EHLO lab.test\r\nAUTH PLAIN {whole}\r\n")
        self.assertTrue(self.upstream.asked.acquire(timeout=30))
        client.leave()
        self.upstream.go_on.set()
        self.assertTrue(self.upstream.sessions[-1].ended.wait(30))
        self.assertEqual(self.log_in().command("NOOP")[:3], "250")

    def test_a_slow_server_stalls_nobody_else(self):
        slow, mail = self.log_in(), message("slow", 25_000_000)
        self.upstream.reading.clear()
        slow.envelope()
        replies = []
        writer = threading.Thread(target=lambda: replies.append(slow.data(mail)))
        writer.start()
        wait_until(lambda: self.upstream.sessions[0].sent.endswith(b"354 Go on\r\n"), "the message to begin")
        other = self.log_in("second")
        for _ in range(50):
            self.assertEqual(other.command("NOOP")[:3], "250")
        # The gateway holds a bounded part of the message, the client the rest.
        self.assertLess(resident(self.gateway.pid), 120_000_000)
        self.upstream.reading.set()
        writer.join()
        self.assertEqual(replies[0][:3], "250")
        self.assertEqual(digest(self.upstream.messages[0].octets), digest(mail))

    def test_sigterm_says_421_and_ends_with_0(self):
        relayed, waiting, sending = self.log_in(), self.client(), self.log_in("second")
        sending.envelope()
        sending.send("DATA\r\n")
        self.assertEqual(sending.reply()[:3], "354")
        sending.send("half a message\r\n")
        self.assertEqual(self.gateway.stop(), 0)
        for client in (relayed, waiting, sending):
            self.assertRegex(client.rest(), rb"\A421 4\.3\.2 [^\r]*\r\n\Z")
        wait_until(lambda: all(session.ended.is_set() for session in self.upstream.sessions), "the sessions upstream to end")
        self.assertEqual(self.upstream.messages, [])
