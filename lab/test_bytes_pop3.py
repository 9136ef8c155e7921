"""Not one octet that POP3 fetches is lost, doubled, changed or out of order."""

import base64
import unittest

import lab
from clients import digest, message
from gateway import Account, Gateway
from raw import RawPop3, plain
from upstream.pop3 import RecordingPop3

LARGE = 25_000_000


class AgainstARecorder(unittest.TestCase):
    def setUp(self):
        world = lab.world()
        self.upstream = self.enterContext(RecordingPop3(world))
        self.account = Account("alice@lab.test", "robot", pop3=self.upstream.port)
        self.gateway = self.enterContext(Gateway(world, f"bytes-pop3-{self.id().split('.')[-1]}", [self.account]))

    def client(self):
        return self.enterContext(RawPop3(self.gateway.port("pop3")))

    def logged_in(self):
        client = self.client()
        self.assertRegex(client.login(self.account.login, self.account.password()), r"\A\+OK.*\r\n\+OK")
        return client

    def received(self):
        return bytes(self.upstream.sessions[-1].received)

    def test_commands_arrive_as_sent(self):
        client, sent = self.logged_in(), b""
        for octets in (b"STAT\r\n", b"list 1\r\n", b"Uidl  1\r\n", b"DELE 1\r\n", b"rset\r\n", b"QUIT\r\n"):
            client.send(octets)
            self.assertRegex(client.line(), rb"\A(\+OK|-ERR)")
            sent += octets
        self.assertEqual(self.received(), sent)

    def test_commands_pipelined_with_the_login_arrive(self):
        client = self.client()
        rest = b"STAT\r\nRETR 1\r\nLIST\r\nQUIT\r\n"
        client.send(f"USER {self.account.login}\r\nPASS {self.account.password()}\r\n".encode() + rest)
        said = client.rest()
        self.assertTrue(said.endswith(self.upstream.sessions[0].sent))
        self.assertTrue(self.upstream.sessions[0].sent.endswith(b"+OK bye\r\n"))
        self.assertEqual(self.received(), rest)

    def test_a_server_without_pipelining_gets_one_command_at_a_time(self):
        self.upstream.capabilities.remove("PIPELINING")
        client = self.logged_in()
        client.send(b"STAT\r\nRETR 1\r\nLIST\r\nUIDL\r\nQUIT\r\n")
        self.assertTrue(client.rest().endswith(b"+OK bye\r\n"))
        self.assertFalse(self.upstream.sessions[-1].pipelined)

    def test_a_large_message_comes_as_it_is(self):
        self.upstream.message = message("large", LARGE) + b".\r\n..\r\n.end\r\n"
        client = self.logged_in()
        client.send("RETR 1\r\nQUIT\r\n")
        came = client.rest()
        self.assertEqual(digest(came), digest(self.upstream.sessions[0].sent))
        self.assertGreater(len(came), LARGE - 100)

    def test_octets_that_look_like_an_end_or_a_reply(self):
        self.upstream.message = (
            b"Subject: octets\r\n\r\n\n.\n\r.\r\r\n.\n+OK\r\n-ERR\r\n\n.\r\n" + bytes(range(256)) + b"\r\nUSER x\r\n" + b"y" * 5000
        )
        client = self.logged_in()
        client.send("RETR 1\r\nTOP 1 0\r\nSTAT\r\nQUIT\r\n")
        self.assertEqual(client.rest(), bytes(self.upstream.sessions[0].sent))
        self.assertEqual(self.received(), b"RETR 1\r\nTOP 1 0\r\nSTAT\r\nQUIT\r\n")

    def test_a_second_login_stays_here(self):
        """No local password ever reaches the provider, not even by a command after the login. Nor does a command
        whose reply nobody here knows the form of."""
        client = self.logged_in()
        for command in (
            f"USER {self.account.login}", f"PASS {self.account.password()}", f"auth plain {self.both()}", "AUTH LOGIN",
            "STLS", "APOP alice 0123456789abcdef0123456789abcdef", "XTND XMIT", "X-UNKNOWN",
        ):
            self.assertTrue(client.command(command).startswith("-ERR"), command)
        self.assertTrue(client.command("NOOP").startswith("+OK"))
        self.assertEqual(self.received(), b"NOOP\r\n")

    def both(self):
        return plain(self.account.login, self.account.password())

    def test_every_form_of_login(self):
        user, password = (base64.b64encode(word.encode()).decode() for word in (self.account.login, self.account.password()))
        for lines in (
            [f"USER {self.account.login}", f"PASS {self.account.password()}"],
            [f"AUTH PLAIN {self.both()}"], ["auth plain", self.both()],
            ["AUTH LOGIN", user, password], [f"AUTH LOGIN {user}", password],
        ):
            with self.subTest(lines=len(lines), first=lines[0][:11]), RawPop3(self.gateway.port("pop3")) as client:
                replies = [client.command(line) for line in lines]
                self.assertTrue(replies[-1].startswith("+OK"), replies)
                self.assertEqual(client.command("STAT"), f"+OK 1 {len(self.upstream.message)}\r\n")

    def test_what_is_answered_before_the_login(self):
        client = self.client()
        self.assertRegex(client.lines("AUTH"), rb"\A\+OK[^\r]*\r\nPLAIN\r\nLOGIN\r\n\.\r\n\Z")
        # Whether there is such a user is not told.
        self.assertEqual(client.command("USER nobody@lab.test")[:3], client.command(f"USER {self.account.login}")[:3])
        self.assertTrue(client.command("STAT").startswith("-ERR"))
        self.assertTrue(client.command("QUIT").startswith("+OK"))
        self.assertEqual(self.upstream.sessions, [])

    def test_the_end_of_the_upstream_in_a_message_loses_nothing(self):
        """What came before the break reaches the client, and nothing is made up after it."""
        self.upstream.message = message("cut", 1_000_000)
        self.upstream.cut_after = 700_000
        client = self.logged_in()
        client.send("RETR 1\r\n")
        self.assertTrue(self.upstream.sessions[0].ended.wait(30))
        came = client.rest()
        self.assertEqual(digest(came), digest(self.upstream.sessions[0].sent))
        self.assertFalse(came.endswith(b"\r\n.\r\n"))
        # And the next one is served.
        self.upstream.cut_after = None
        self.assertTrue(self.logged_in().command("NOOP").startswith("+OK"))
