"""Not one octet of what is sent is lost, doubled, changed or out of order, and none ends a message that should
not."""

import base64
import ssl
import unittest

import lab
from clients import digest, message
from gateway import Account, Gateway
from raw import RawSmtp, plain
from upstream.smtp import RecordingSmtp

LARGE = 25_000_000
ENVELOPE = b"MAIL FROM:<alice@lab.test>\r\nRCPT TO:<somebody@sink.test>\r\n"


class AgainstARecorder(unittest.TestCase):
    """What left the client is what reached the server, and the other way round."""

    modes = ("none",)
    listen = ""

    def setUp(self):
        world = lab.world()
        self.upstream = self.enterContext(RecordingSmtp(world))
        self.account = Account("alice@lab.test", "robot", smtp=self.upstream.port)
        name = f"{type(self).__name__}-smtp-{self.id().split('.')[-1]}"
        self.gateway = self.enterContext(
            Gateway(world, name, [self.account], modes=self.modes, listen=self.listen)
        )

    def client(self, mode="none"):
        return self.enterContext(RawSmtp(self.gateway.port("smtp", mode)))

    def log_in(self, client, hello="EHLO lab.test"):
        self.assertTrue(client.login(self.account.login, self.account.password(), hello).startswith("235 2.7.0 "))
        return client

    def logged_in(self):
        return self.log_in(self.client())

    def received(self):
        return bytes(self.upstream.sessions[-1].received)

    def plain(self):
        return plain(self.account.login, self.account.password())


class Sent(AgainstARecorder):
    def test_commands_arrive_as_sent(self):
        client, sent = self.logged_in(), b""
        for octets, code in {
            b"noop\r\n": "250",
            b"MAIL  FROM:<alice@lab.test> SIZE=10 BODY=8BITMIME\r\n": "250",
            b"rcpt to:<b@sink.test> NOTIFY=NEVER ORCPT=rfc822;b@sink.test\r\n": "250",
            b"RSET\r\n": "250",
            b"Mail From:<\xc3\xa4@lab.test> SMTPUTF8\r\n": "250",
            b"VRFY somebody\r\n": "252",
            b"help mail\r\n": "214-2.0.0 Two lines\r\n214",
            b"X-UNKNOWN \x01 {3}\r\n": "500",
            b"QUIT\r\n": "221",
        }.items():
            reply = client.command(octets)
            self.assertTrue(reply.startswith(code), (octets, reply))
            sent += octets
        self.assertEqual(self.received(), sent)

    def test_a_large_message_by_data(self):
        client, mail = self.logged_in(), message("large", LARGE)
        client.envelope()
        self.assertTrue(client.data(mail).startswith("250"))
        self.assertEqual(digest(self.received()), digest(ENVELOPE + b"DATA\r\n" + mail + b".\r\n"))

    def test_a_large_message_by_bdat(self):
        client, mail = self.logged_in(), message("large", LARGE)
        client.envelope()
        half = LARGE // 2 + 1
        self.assertTrue(client.bdat(mail[:half], last=False).startswith("250"))
        self.assertTrue(client.bdat(mail[half:]).startswith("250"))
        self.assertEqual(digest(self.upstream.messages[0].octets), digest(mail))

    def test_octets_that_look_like_an_end_or_a_command(self):
        """Everything that smuggles a second message past somebody (CVE-2023-51764 and its kin)."""
        mail = b"".join([
            b"Subject: octets\r\n\r\n",
            *(end + b"MAIL FROM:<evil@lab.test>\r\nRCPT TO:<evil@sink.test>\r\nDATA\r\n" for end in (
                b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\r\n.\r\r\n", b"\0.\r\n",
            )),
            b"AUTH PLAIN AGEAYg==\r\nSTARTTLS\r\n", bytes(range(256)) * 2, b"\r\n..\r\n.dot\r\n", b"x" * 5000, b"\r\n",
        ])
        client = self.logged_in()
        client.envelope()
        self.assertTrue(client.data(mail).startswith("250"))
        self.assertEqual([kept.octets for kept in self.upstream.messages], [mail])
        client.envelope()
        self.assertTrue(client.bdat(mail).startswith("250"))
        self.assertEqual([kept.octets for kept in self.upstream.messages], [mail, mail])
        self.assertTrue(client.command("NOOP").startswith("250"))

    def test_small_pieces(self):
        """The end of a message, of a chunk and of a command in pieces of one octet."""
        client = self.logged_in()
        whole = ENVELOPE + b"DATA\r\n"
        for octet in whole:
            client.send(bytes([octet]))
        self.assertEqual([client.reply()[:3] for _ in range(3)], ["250", "250", "354"])
        for octet in b"one\r\n..\r\n.\r\n" + ENVELOPE + b"BDAT 3\r\n\r\n.BDAT 2 LAST\r\n\r\n":
            client.send(bytes([octet]))
        self.assertEqual([client.reply()[:3] for _ in range(5)], ["250"] * 5)
        self.assertEqual([kept.octets for kept in self.upstream.messages], [b"one\r\n.\r\n", b"\r\n.\r\n"])

    def test_a_whole_session_in_one_segment(self):
        """Nobody may do so, and some do: nothing is lost, and every reply comes in its turn."""
        client = self.client()
        rest = ENVELOPE + b"BDAT 5\r\none\r\nBDAT 5 LAST\r\ntwo\r\n" + ENVELOPE + b"DATA\r\nthree\r\n.\r\nNOOP\r\nQUIT\r\n"
        client.send(b"EHLO lab.test\r\nAUTH PLAIN " + self.plain().encode() + b"\r\n" + rest)
        replies = [client.reply()[:3] for _ in range(12)]
        self.assertEqual(replies, ["250", "235", "250", "250", "250", "250", "250", "250", "354", "250", "250", "221"])
        self.assertEqual([kept.octets for kept in self.upstream.messages], [b"one\r\ntwo\r\n", b"three\r\n"])
        self.assertEqual(self.received(), rest)

    def test_two_recipients_and_a_refused_one_pipelined(self):
        self.upstream.answers["RCPT"] = lambda line: b"550-5.1.1 Nobody\r\n550 5.1.1 here\r\n" if b"<no" in line else None
        client = self.logged_in()
        client.send(
            b"MAIL FROM:<alice@lab.test>\r\nRCPT TO:<a@sink.test>\r\nRCPT TO:<no@sink.test>\r\nRCPT TO:<b@sink.test>\r\nDATA\r\n"
        )
        self.assertEqual(
            [client.reply()[:9] for _ in range(5)], ["250 2.1.0", "250 2.1.5", "550-5.1.1", "250 2.1.5", "354 Go on"]
        )
        self.assertTrue(client.command(b"mail\r\n.\r\n").startswith("250"))
        self.assertEqual(self.upstream.messages[0].recipients, ["a@sink.test", "b@sink.test"])
        self.gateway.wait_for_log(self.upstream.messages[0].queue_id)

    def test_an_upstream_without_pipelining_gets_one_command_at_a_time(self):
        self.upstream.keywords.remove("PIPELINING")
        client = self.logged_in()
        client.send(ENVELOPE + b"DATA\r\n")
        self.assertEqual([client.reply()[:3] for _ in range(3)], ["250", "250", "354"])
        self.assertTrue(client.command(b"mail\r\n.\r\n" + ENVELOPE).startswith("250"))
        self.assertEqual([client.reply()[:3] for _ in range(2)], ["250", "250"])
        self.assertFalse(self.upstream.sessions[-1].pipelined)

    def test_a_second_login_and_what_is_for_servers_stay_here(self):
        """No local password ever reaches the provider, not even by a command after the login."""
        client = self.logged_in()
        for command, code in {
            f"AUTH PLAIN {self.plain()}": "503", "AUTH LOGIN": "503", "auth plain =": "503", "STARTTLS": "503",
        }.items():
            self.assertTrue(client.command(command).startswith(code), command)
        for command in ("XCLIENT ADDR=192.0.2.1", "XFORWARD NAME=x", "ETRN lab.test", "TURN", "EXPN list"):
            self.assertRegex(client.command(command), r"\A50[02] 5\.5\.", command)
        self.assertTrue(client.command("NOOP").startswith("250"))
        self.assertEqual(self.received(), b"NOOP\r\n")

    def test_ehlo_after_the_login_is_the_upstream_s_and_filtered(self):
        client = self.logged_in()
        reply = client.command("EHLO lab.test")
        self.assertIn("250-recording greets you\r\n", reply)
        for keyword in self.upstream.keywords:
            self.assertIn(keyword, reply)
        self.assertNotIn("AUTH", reply)
        self.assertEqual(self.received(), b"EHLO lab.test\r\n")


class Devices(AgainstARecorder):
    """What old machines do before the login."""

    listen = "obsolete_auth_line = true"

    def test_helo_and_every_form_of_auth_login(self):
        user, password = (base64.b64encode(word.encode()).decode() for word in (self.account.login, self.account.password()))
        for lines in (
            ["AUTH LOGIN", user, password], ["auth login " + user, password],
        ):
            with self.subTest(lines=len(lines), first=lines[0][:12]), RawSmtp(self.gateway.port("smtp")) as client:
                self.assertTrue(client.command("HELO scanner").startswith("250 "))
                replies = [client.command(line) for line in lines]
                self.assertTrue(replies[-1].startswith("235 2.7.0 "), replies)
                self.assertIn("334 UGFzc3dvcmQ6\r\n", replies)
                if lines[0] == "AUTH LOGIN":
                    self.assertEqual(replies[0], "334 VXNlcm5hbWU6\r\n")
                client.envelope()
                self.assertTrue(client.data(b"scanned\r\n").startswith("250"))
        # The upstream has seen no HELO: EHLO gave the gateway what it needs.
        self.assertEqual([kept.octets for kept in self.upstream.messages], [b"scanned\r\n"] * 2)

    def test_auth_plain_in_two_steps(self):
        client = self.client()
        client.command("HELO scanner")
        self.assertEqual(client.command("AUTH PLAIN"), "334 \r\n")
        self.assertTrue(client.command(self.plain()).startswith("235"))

    def test_auth_without_any_hello(self):
        reply = self.client().command("AUTH PLAIN " + self.plain())
        self.assertRegex(reply, r"\A(235 2\.7\.0|503 5\.5\.1) ")

    def test_garbage_before_ehlo_and_bare_line_feeds(self):
        for garbage in (b"\x00\xff\xfe\x1b", b"\x00\xff\xfe\x1b\n", b"%-12345X@PJL\n"):
            with self.subTest(garbage), RawSmtp(self.gateway.port("smtp")) as client:
                reply = client.command(garbage + b"EHLO printer\n")
                if garbage.endswith(b"\n"):
                    self.assertTrue(reply.startswith("500 5.5.2 "), reply)
                    reply = client.reply()
                self.assertIn("AUTH PLAIN LOGIN", reply)
                self.assertTrue(client.command(b"AUTH PLAIN " + self.plain().encode() + b"\n").startswith("235"))

    def test_the_obsolete_line(self):
        self.assertIn("AUTH=LOGIN PLAIN\r\n", self.client().command("EHLO express"))

    def test_a_browser_and_a_tls_client_are_sent_away(self):
        for octets in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
            with self.subTest(octets[:4]):
                client = self.client()
                client.send(octets)
                self.assertNotIn(b"250", client.rest())

    def test_mail_without_a_login(self):
        client = self.client()
        client.command("HELO scanner")
        self.assertRegex(client.command("MAIL FROM:<alice@lab.test>"), r"\A530 5\.7\.0 .*(?i:auth|log in|login|password)")
        self.assertTrue(client.command("DATA").startswith("530 5.7.0"))
        self.assertEqual(self.upstream.sessions, [])


class InClear(AgainstARecorder):
    modes = ("starttls",)

    def test_what_comes_before_the_handshake_is_not_done_behind_it(self):
        client = self.client("starttls")
        self.assertIn("STARTTLS", client.command("EHLO lab.test"))
        client.send(b"STARTTLS\r\nAUTH PLAIN " + self.plain().encode() + b"\r\nMAIL FROM:<a@lab.test>\r\n")
        self.assertTrue(client.reply().startswith("220"))
        context = ssl.create_default_context(cafile=lab.world().ca)
        with context.wrap_socket(client.socket, server_hostname="localhost") as tls:
            said = b""
            while came := tls.recv(4096):
                said += came
        self.assertRegex(said, rb"\A421 4\.7\.0 [^\r]*\r\n\Z")
        self.assertEqual(self.upstream.sessions, [])
