"""POP3 clients one by one: wrong ones, those that leave, slow ones; and the end of the gateway."""

import unittest

import lab
from clients import message
from gateway import Account, Gateway
from process import resident, wait_until
from raw import RawPop3, plain
from upstream.pop3 import RecordingPop3


class OneByOne(unittest.TestCase):
    def setUp(self):
        world = lab.world()
        self.upstream = self.enterContext(RecordingPop3(world))
        self.account = Account("alice@lab.test", "robot", pop3=self.upstream.port)
        self.account.password("second")
        name = f"sessions-pop3-{self.id().split('.')[-1]}"
        self.gateway = self.enterContext(
            Gateway(world, name, [self.account], settings='[deadlines]\nfailed_login_delay = "10ms"\n')
        )

    def client(self):
        return self.enterContext(RawPop3(self.gateway.port("pop3")))

    def log_in(self, name="main"):
        client = self.client()
        self.assertRegex(client.login(self.account.login, self.account.password(name)), r"\A\+OK.*\r\n\+OK")
        return client

    def test_wrong_and_unknown_are_the_same_answer(self):
        answers = set()
        for login, password in (
            (self.account.login, "wrong"), (self.account.login, " "), ("nobody@lab.test", self.account.password()),
        ):
            with RawPop3(self.gateway.port("pop3")) as client:
                answers.add(client.login(login, password))
        self.assertEqual(len(answers), 1, answers)
        self.assertRegex(answers.pop(), r"\A\+OK.*\r\n-ERR \[AUTH\] ")
        # None of it reached the provider's server.
        self.assertEqual(self.upstream.sessions, [])

    def test_a_right_password_after_a_wrong_one_and_after_a_cancelled_login(self):
        client = self.client()
        self.assertIn("-ERR [AUTH]", client.login(self.account.login, "wrong"))
        self.assertTrue(client.command("AUTH PLAIN").startswith("+ "))
        self.assertTrue(client.command("*").startswith("-ERR"))
        self.assertRegex(client.login(self.account.login, self.account.password()), r"\A\+OK.*\r\n\+OK")

    def test_a_revoked_password_ends_its_sessions_and_no_others(self):
        first, second = self.log_in("main"), self.log_in("second")
        self.gateway.command("account", "remove-password", self.account.login, "--name", "second")
        self.assertRegex(second.rest(), rb"\A-ERR [^\r]*\r\n\Z")
        self.assertTrue(first.command("NOOP").startswith("+OK"))
        again = self.client()
        self.assertIn("-ERR [AUTH]", again.login(self.account.login, self.account.password("second")))

    def test_clients_that_leave_in_the_middle_of_a_login(self):
        password, whole = self.account.password(), plain(self.account.login, self.account.password())
        for left in (
            "", "U", f"USER {self.account.login}\r\n", f"USER {self.account.login}\r\nPASS {password[:5]}",
            "AUTH PLAIN\r\n", f"AUTH PLAIN\r\n{whole[:9]}", "AUTH LOGIN\r\nYWxpY2U=\r\n",
        ):
            client = self.client()
            client.send(left)
            client.leave()
        # Leaves while the upstream thinks the login over; the session there ends as well.
        self.upstream.go_on.clear()
        client = self.client()
        client.send(f"USER {self.account.login}\r\nPASS {password}\r\n")
        self.assertTrue(self.upstream.asked.acquire(timeout=30))
        client.leave()
        self.upstream.go_on.set()
        self.assertTrue(self.upstream.sessions[-1].ended.wait(30))
        self.assertTrue(self.log_in().command("NOOP").startswith("+OK"))

    def test_a_slow_client_stalls_nobody_else(self):
        self.upstream.message = message("slow", 25_000_000)
        slow = self.log_in()
        slow.send("RETR 1\r\nQUIT\r\n")
        head = slow.line()
        other = self.log_in("second")
        for _ in range(50):
            self.assertTrue(other.command("NOOP").startswith("+OK"))
        # The gateway holds a bounded part of the message, the server the rest.
        self.assertLess(resident(self.gateway.pid), 120_000_000)
        self.assertEqual(len(head + slow.rest()), len(self.upstream.sessions[0].sent))

    def test_sigterm_says_err_and_ends_with_0(self):
        relayed, waiting = self.log_in(), self.client()
        self.assertEqual(self.gateway.stop(), 0)
        for client in (relayed, waiting):
            self.assertRegex(client.rest(), rb"\A-ERR \[SYS/TEMP\] [^\r]*\r\n\Z")
        wait_until(lambda: self.upstream.sessions[0].ended.is_set(), "the end of the session upstream")
