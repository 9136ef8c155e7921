"""Many clients, wrong ones, and those that leave; and the end of the gateway itself."""

import threading
import unittest

import lab
from clients import message
from clients.imap import Imaplib
from gateway import Account, Gateway
from process import resident, wait_until
from raw import RawImap
from upstream.imap import RecordingImap


class Together(unittest.TestCase):
    def test_ten_clients_of_two_accounts_do_not_disturb_one_another(self):
        """Each has a local password of its own; meanwhile others try wrong ones."""
        world = lab.world()
        alice = Account("alice@lab.test", "robot", world.dovecot.imaps)
        bob = Account("bob@lab.test", "robot-opaque", world.dovecot.imaps)
        names = [f"device-{number}" for number in range(5)]
        for account in (alice, bob):
            for name in names:
                account.password(name)
        faults, start = [], threading.Barrier(12)

        def client(account, name, port):
            imap = Imaplib(world, world.path("homes", "together"), port, "none", account.login, account.password(name))
            start.wait()
            for turn in range(3):
                message_id = f"together-{account.client}-{name}-{turn}"
                imap.append(message(message_id))
                if imap.fetch(message_id) != message(message_id):
                    raise AssertionError(f"{message_id} came back changed")

        def stranger(account, port):
            start.wait()
            with RawImap(port) as wrong:
                if "[AUTHENTICATIONFAILED]" not in wrong.login(account.login, "not-the-password"):
                    raise AssertionError("a wrong password was not refused as one")

        def guarded(work, *arguments):
            try:
                work(*arguments)
            except Exception as error:
                faults.append(error)
                start.abort()

        with Gateway(world, "together", [alice, bob]) as gateway:
            port = gateway.port("imap")
            threads = [
                threading.Thread(target=guarded, args=(client, account, name, port))
                for account in (alice, bob) for name in names
            ] + [threading.Thread(target=guarded, args=(stranger, account, port)) for account in (alice, bob)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(faults, [])


class OneByOne(unittest.TestCase):
    def setUp(self):
        world = lab.world()
        self.upstream = self.enterContext(RecordingImap(world))
        self.account = Account("alice@lab.test", "robot", self.upstream.port)
        self.account.password("second")
        name = f"sessions-{self.id().split('.')[-1]}"
        self.gateway = self.enterContext(
            Gateway(world, name, [self.account], settings='[deadlines]\nfailed_login_delay = "10ms"\n')
        )

    def client(self):
        return self.enterContext(RawImap(self.gateway.port("imap")))

    def log_in(self, name="main"):
        client = self.client()
        self.assertIn("L1 OK", client.login(self.account.login, self.account.password(name)))
        return client

    def test_wrong_and_unknown_are_the_same_answer(self):
        self.log_in()
        answers = set()
        for login, password in (
            (self.account.login, "wrong"), (self.account.login, ""), ("nobody@lab.test", self.account.password()),
        ):
            with RawImap(self.gateway.port("imap")) as client:
                answers.add(client.login(login, password))
        self.assertEqual(len(answers), 1, answers)
        self.assertIn("L1 NO [AUTHENTICATIONFAILED]", answers.pop())
        # None of it reached the provider's server.
        self.assertEqual(len(self.upstream.tokens), 1)

    def test_a_right_password_after_a_wrong_one(self):
        client = self.client()
        self.assertIn("NO", client.login(self.account.login, "wrong"))
        self.assertIn("L2 OK", client.login(self.account.login, self.account.password(), tag="L2"))

    def test_a_revoked_password_ends_its_sessions_and_no_others(self):
        first, second = self.log_in("main"), self.log_in("second")
        self.gateway.command("account", "remove-password", self.account.login, "--name", "second")
        self.assertIn(b"BYE", second.rest())
        self.assertIn("N1 OK", first.command("N1", "NOOP"))
        again = self.client()
        self.assertIn("NO [AUTHENTICATIONFAILED]", again.login(self.account.login, self.account.password("second")))

    def test_clients_that_leave_in_the_middle_of_a_login(self):
        password = self.account.password()
        for left in (
            "", "A", "A1 LOGIN", f"A1 LOGIN {self.account.login} {{{len(password)}}}\r\n",
            f"A1 LOGIN {self.account.login} {{{len(password)}+}}\r\n{password[:5]}",
            "A1 AUTHENTICATE PLAIN\r\n", "A1 AUTHENTICATE LOGIN\r\nYWxpY2U=\r\n",
        ):
            client = self.client()
            client.send(left)
            client.leave()
        # Leaves while the upstream thinks the login over; the session there ends as well.
        self.upstream.go_on.clear()
        client = self.client()
        client.send(f"A1 LOGIN {self.account.login} {password}\r\n")
        self.assertTrue(self.upstream.asked.acquire(timeout=30))
        client.leave()
        self.upstream.go_on.set()
        self.assertTrue(self.upstream.sessions[-1].ended.wait(30))
        self.assertIn("N1 OK", self.log_in().command("N1", "NOOP"))

    def test_a_slow_client_stalls_nobody_else(self):
        self.upstream.message = message("slow", 25_000_000)
        slow = self.log_in()
        slow.send("F1 FETCH 1 BODY[]\r\nF2 LOGOUT\r\n")
        head = slow.line()
        other = self.log_in("second")
        for number in range(50):
            self.assertIn(f"N{number} OK", other.command(f"N{number}", "NOOP"))
        # The gateway holds a bounded part of the message, the server the rest.
        self.assertLess(resident(self.gateway.pid), 120_000_000)
        self.assertEqual(len(head + slow.rest()), len(self.upstream.sessions[0].sent))

    def test_sigterm_says_bye_and_ends_with_0(self):
        relayed, waiting = self.log_in(), self.client()
        self.assertEqual(self.gateway.stop(), 0)
        self.assertIn(b"* BYE", relayed.rest())
        self.assertIn(b"* BYE", waiting.rest())
        wait_until(lambda: self.upstream.sessions[0].ended.is_set(), "the end of the session upstream")

    def test_ctrl_c_does_the_same(self):
        client = self.log_in()
        self.assertEqual(self.gateway.interrupt(), 0)
        self.assertIn(b"* BYE", client.rest())
