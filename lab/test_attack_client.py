"""Clients that mean harm, logged in and not: nothing that they send makes a second message, reaches the provider as
a login, is said back to them, or writes a line of their own into the log.
"""

import base64
import itertools
import socket
import unittest

import lab
from clients import message
from gateway import Account, Gateway, Server
from process import resident
from raw import RawImap, RawPop3, RawSmtp, plain
from upstream.imap import RecordingImap
from upstream.pop3 import RecordingPop3
from upstream.smtp import RecordingSmtp
from world import encodings

RAW = {"imap": RawImap, "pop3": RawPop3, "smtp": RawSmtp}
RECORDING = {"imap": RecordingImap, "pop3": RecordingPop3, "smtp": RecordingSmtp}
ENVELOPE = b"MAIL FROM:<alice@lab.test>\r\nRCPT TO:<somebody@sink.test>\r\n"
EVIL = b"MAIL FROM:<evil@lab.test>\r\nRCPT TO:<evil@sink.test>\r\nDATA\r\nsmuggled\r\n"
SETTINGS = '[deadlines]\nfailed_login_delay = "10ms"\n'


def almost_ends():
    """Everything between two lines that some reader somewhere takes for the end of a message, and that is none
    (CVE-2023-51764, CVE-2023-51765, CVE-2023-51766, VU#302671, and their kin)."""
    breaks = (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\r\n\r", b"\n\r", b"\r\0\n", b"\0\r\n", b" \r\n", b"\x85", b"\x1a")
    dots = (b".", b"..", b".\0", b"\0.", b". ", b" .", b"\t.", b"\x08.", b"\xef\xbc\x8e")
    for before, dot, after in itertools.product(breaks, dots, breaks):
        form = before + dot + after
        if b"\r\n.\r\n" not in b"x" + form + b"M":
            yield form


class Clients(unittest.TestCase):
    """The gateway before recording servers of all three protocols."""

    def setUp(self):
        world = lab.world()
        self.upstream = {name: self.enterContext(kind(world)) for name, kind in RECORDING.items()}
        self.account = Account("alice@lab.test", "robot", *(Server(it.port) for it in self.upstream.values()))
        name = f"attack-{self.id().split('.')[-1]}"
        self.gateway = self.enterContext(Gateway(world, name, [self.account], settings=SETTINGS))

    def client(self, protocol):
        return self.enterContext(RAW[protocol](self.gateway.port(protocol)))

    def logged_in(self, protocol):
        client = self.client(protocol)
        self.assertRegex(client.login(self.account.login, self.account.password()), "L1 OK|OK.*\r\n.OK|^235")
        return client

    def received(self, protocol):
        return bytes(self.upstream[protocol].sessions[-1].received)


class Smuggling(Clients):
    def test_one_message_in_is_one_message_out(self):
        """In one session, each message with another form that is almost an end, in segments and pieces."""
        forms = list(almost_ends())
        self.assertGreater(len(forms), 600)
        client, upstream, sent = self.logged_in("smtp"), self.upstream["smtp"], b""
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number, form in enumerate(forms):
            whole = ENVELOPE + b"DATA\r\n" + b"Subject: x\r\n\r\nfirst" + form + EVIL + b".\r\n"
            # Cut inside the form, at another place each time; or all in one.
            cut = whole.index(form) + number % (len(form) + 1)
            client.send(whole[:cut])
            client.send(whole[cut:])
            sent += whole
            self.assertEqual([client.reply()[:3] for _ in range(4)], ["250", "250", "354", "250"], form)
        self.assertEqual(self.received("smtp"), sent)
        self.assertEqual(len(upstream.messages), len(forms))
        self.assertEqual({kept.sender for kept in upstream.messages}, {"alice@lab.test"})

    def test_nor_by_chunks_of_any_cut(self):
        client, upstream, forms = self.logged_in("smtp"), self.upstream["smtp"], list(almost_ends())[::3]
        # In chunks nothing ends a message but the count: the true end as well.
        forms.append(b"\r\n.\r\n")
        for number, form in enumerate(forms):
            body = b"first" + form + EVIL + b".\r\n"
            cut = 5 + number % (len(form) + 1)
            client.send(
                ENVELOPE + b"BDAT %d\r\n" % cut + body[:cut] + b"BDAT %d LAST\r\n" % (len(body) - cut) + body[cut:]
            )
            self.assertEqual([client.reply()[:3] for _ in range(4)], ["250"] * 4, form)
            self.assertEqual(upstream.messages[-1].octets, body)
        self.assertEqual(len(upstream.messages), len(forms))

    def test_before_the_real_postfix(self):
        world = lab.world()
        if not world.postfix:
            self.skipTest("Postfix runs as root only")
        account = Account("alice@lab.test", "robot", smtp=world.postfix.submissions)
        forms = [form for form in almost_ends() if len(form) <= 4][::2]
        with Gateway(world, "attack-postfix", [account]) as gateway, RawSmtp(gateway.port("smtp")) as client:
            self.assertTrue(client.login(account.login, account.password()).startswith("235"))
            for number, form in enumerate(forms):
                client.send(ENVELOPE + b"DATA\r\n")
                self.assertEqual([client.reply()[:3] for _ in range(3)], ["250", "250", "354"], form)
                mail = message(f"smuggle-{number}").rstrip(b"\r\n")
                client.send(mail + form + EVIL + b".\r\n")
                self.assertTrue(client.reply().startswith("250"), form)
            self.assertTrue(client.command("NOOP").startswith("250"))
        for number in range(len(forms)):
            world.sink.message(f"smuggle-{number}")
        self.assertEqual([kept for kept in world.sink.messages if "evil@sink.test" in kept.recipients], [])
        ours = [kept for kept in world.sink.messages if (kept.message_id or "").startswith("smuggle-")]
        self.assertEqual(len(ours), len(forms))

    def test_a_command_with_an_odd_line_end_goes_nowhere(self):
        evil = b"MAIL FROM:<evil@lab.test>\r\n"
        for odd in (b"\n", b"\r", b"\n\n", b"\r\r\n", b"\r\0\n", b"\n\r"):
            for command in (b"NOOP", b"RSET", b"MAIL FROM:<alice@lab.test>", b"EHLO x", b"DATA", b"QUIT"):
                client = self.logged_in("smtp")
                client.send(command + odd + evil)
                client.socket.shutdown(socket.SHUT_WR)
                client.rest()
                self.assertTrue(self.upstream["smtp"].sessions[-1].ended.wait(30))
                # The next line may pass, which is a command of its own; whole lines pass, or nothing.
                self.assertRegex(self.received("smtp"), rb"\A([^\r\n\0]*\r\n)*\Z", (command, odd))
                self.assertNotIn(command + b"\r\n", self.received("smtp"), odd)


class LoginAgain(Clients):
    """A login after the login, in every spelling: what it would tell the provider never gets there."""

    def attempts(self, protocol):
        user, password = self.account.login, self.account.password()
        names = {
            "u": user, "p": password, "b": plain(user, password), "n": len(user), "m": len(password),
            "bu": base64.b64encode(user.encode()).decode(), "bp": base64.b64encode(password.encode()).decode(),
            "x": base64.b64encode(f"user={user}\1auth=Bearer {password}\1\1".encode()).decode(),
        }
        return [spelling % names for spelling in SPELLINGS[protocol]]

    def try_all(self, protocol):
        forms = [form.encode() for form in encodings(self.account.password())]
        for spelling in self.attempts(protocol):
            client = self.logged_in(protocol)
            client.send(spelling)
            client.socket.shutdown(socket.SHUT_WR)
            answer = client.rest()
            session = self.upstream[protocol].sessions[-1]
            self.assertTrue(session.ended.wait(30))
            for octets, where in ((bytes(session.received), "upstream"), (answer, "said back")):
                self.assertFalse([form for form in forms if form in octets], (spelling, where, octets))

    def test_imap(self):
        self.try_all("imap")

    def test_pop3(self):
        self.try_all("pop3")

    def test_smtp(self):
        self.try_all("smtp")


SPELLINGS = {
    "imap": (
        "a LOGIN %(u)s %(p)s\r\n", "a login %(u)s %(p)s\r\n", 'a LoGiN "%(u)s" "%(p)s"\r\n', "a LOGIN %(u)s %(p)s\n",
        "a\tLOGIN %(u)s %(p)s\r\n", "a LOGIN\t%(u)s %(p)s\r\n", " a LOGIN %(u)s %(p)s\r\n",
        "a  LOGIN  %(u)s  %(p)s\r\n",
        "a NOOP\nb LOGIN %(u)s %(p)s\r\n", "\na LOGIN %(u)s %(p)s\r\n", "\r\na LOGIN %(u)s %(p)s\r\n",
        "a NOOP\rb LOGIN %(u)s %(p)s\r\n", "a NOOP\r\r\nb LOGIN %(u)s %(p)s\r\n",
        "a LOGIN {%(n)s}\r\n%(u)s {%(m)s}\r\n%(p)s\r\n", "a LOGIN {%(n)s+}\r\n%(u)s {%(m)s+}\r\n%(p)s\r\n",
        "a LOGIN {%(n)s+}\r\n%(u)s %(p)s\r\n", "a LOGIN %(u)s ~{%(m)s+}\r\n%(p)s\r\n",
        "a {5+}\r\nLOGIN %(u)s %(p)s\r\n",
        "{1+}\r\na LOGIN %(u)s %(p)s\r\n", 'a "LOGIN" %(u)s %(p)s\r\n', '"a" LOGIN %(u)s %(p)s\r\n',
        "+ LOGIN %(u)s %(p)s\r\n",
        "* LOGIN %(u)s %(p)s\r\n", "LOGIN LOGIN %(u)s %(p)s\r\n",
        "a AUTHENTICATE PLAIN %(b)s\r\n", "a authenticate plain\r\n%(b)s\r\n", "a AUTHENTICATE PLAIN\n%(b)s\n",
        "a AUTHENTICATE LOGIN\r\n%(bu)s\r\n%(bp)s\r\n", "a AUTHENTICATE XOAUTH2 %(x)s\r\n",
        "a AUTHENTICATE XOAUTH2\r\n%(x)s\r\n",
        "a AUTHENTICATE {5+}\r\nPLAIN %(b)s\r\n", "a IDLE\r\nb LOGIN %(u)s %(p)s\r\nDONE\r\n",
        "a IDLE\r\nDONE\r\nb LOGIN %(u)s %(p)s\r\n",
        "a IDLE\nDONE\nb LOGIN %(u)s %(p)s\r\n", "a NOOP\r\nb SELECT INBOX\r\nc LOGIN %(u)s %(p)s\r\nd NOOP\r\n",
        "a LOGOUT\r\nb LOGIN %(u)s %(p)s\r\n", "a UNAUTHENTICATE\r\nb LOGIN %(u)s %(p)s\r\n",
        "a STARTTLS\r\nb LOGIN %(u)s %(p)s\r\n",
        "a COMPRESS DEFLATE\r\nb LOGIN %(u)s %(p)s\r\n", 'a SELECT "x\nb LOGIN %(u)s %(p)s\r\n',
        'a LIST "" {3+}\r\nabc\r\nb LOGIN %(u)s %(p)s\r\n',
        "a SELECT {0+}\r\n\r\nb LOGIN %(u)s %(p)s\r\n", "a NOOP {0}\r\n\r\nb LOGIN %(u)s %(p)s\r\n",
        "a NOOP {-1}\r\nb LOGIN %(u)s %(p)s\r\n",
        "a NOOP {x}\r\nb LOGIN %(u)s %(p)s\r\n", "a NOOP {0x5+}\r\nb LOGIN %(u)s %(p)s\r\n",
    ),
    "pop3": (
        "USER %(u)s\r\nPASS %(p)s\r\n", "user %(u)s\r\npass %(p)s\r\n", "PASS %(p)s\r\n", " PASS %(p)s\r\n",
        "\tPASS %(p)s\r\n",
        "PASS\t%(p)s\r\n", "PASS  %(p)s\r\n", "PaSs %(p)s\n", "NOOP\nPASS %(p)s\r\n", "NOOP\rPASS %(p)s\r\n",
        "\r\nPASS %(p)s\r\n",
        "\0PASS %(p)s\r\n", "PA\0SS %(p)s\r\n", "PASS\0%(p)s\r\n", "APOP %(u)s %(p)s\r\n", "AUTH PLAIN %(b)s\r\n",
        "auth plain\r\n%(b)s\r\n",
        "AUTH PLAIN\r\n%(b)s\r\n*\r\n", "AUTH LOGIN\r\n%(bu)s\r\n%(bp)s\r\n", "AUTH XOAUTH2 %(x)s\r\n",
        "AUTH XOAUTH2\r\n%(x)s\r\n",
        "STAT\r\nLIST\r\nUSER %(u)s\r\nPASS %(p)s\r\nSTAT\r\n", "QUIT\r\nUSER %(u)s\r\nPASS %(p)s\r\n",
        "STLS\r\nPASS %(p)s\r\n",
        "RETR 1\r\nPASS %(p)s\r\n", "XTND %(p)s\r\n", "%(p)s\r\n",
    ),
    "smtp": (
        "AUTH PLAIN %(b)s\r\n", "auth plain %(b)s\r\n", "AuTh pLaIn %(b)s\n", "AUTH\tPLAIN\t%(b)s\r\n",
        " AUTH PLAIN %(b)s\r\n", "\tAUTH PLAIN %(b)s\r\n",
        "AUTH  PLAIN  %(b)s\r\n", "NOOP\nAUTH PLAIN %(b)s\r\n", "NOOP\rAUTH PLAIN %(b)s\r\n",
        "\r\nAUTH PLAIN %(b)s\r\n", "\0AUTH PLAIN %(b)s\r\n",
        "AU\0TH PLAIN %(b)s\r\n", "AUTH\0PLAIN %(b)s\r\n", "AUTH=PLAIN %(b)s\r\n", "AUTH PLAIN\r\n%(b)s\r\n",
        "AUTH PLAIN =\r\n%(b)s\r\n",
        "AUTH LOGIN\r\n%(bu)s\r\n%(bp)s\r\n", "AUTH LOGIN %(bu)s\r\n%(bp)s\r\n", "AUTH XOAUTH2 %(x)s\r\n",
        "AUTH XOAUTH2\r\n%(x)s\r\n",
        "RSET\r\nNOOP\r\nAUTH PLAIN %(b)s\r\nNOOP\r\n", "QUIT\r\nAUTH PLAIN %(b)s\r\n",
        "EHLO x\r\nAUTH PLAIN %(b)s\r\n", "HELO x\r\nAUTH PLAIN %(b)s\r\n",
        "STARTTLS\r\nAUTH PLAIN %(b)s\r\n",
        "MAIL FROM:<a@lab.test>\r\nRCPT TO:<b@sink.test>\r\nDATA\r\nx\r\n.\r\nAUTH PLAIN %(b)s\r\n",
        "MAIL FROM:<a@lab.test>\r\nRCPT TO:<b@sink.test>\r\nBDAT 1 LAST\r\nxAUTH PLAIN %(b)s\r\n",
        "BDAT 0 LAST\r\nAUTH PLAIN %(b)s\r\n",
        "BDAT 00000000000 LAST\r\nAUTH PLAIN %(b)s\r\n", "BDAT x\r\nAUTH PLAIN %(b)s\r\n",
        "BDAT -1\r\nAUTH PLAIN %(b)s\r\n",
        "BDAT 99999999999999999999\r\nAUTH PLAIN %(b)s\r\n", "XCLIENT LOGIN=x\r\nAUTH PLAIN %(b)s\r\n",
        "VRFY x\r\nHELP\r\nAUTH PLAIN %(b)s\r\n",
    ),
}


class BeforeTheLogin(Clients):
    """Whoever has no password."""

    def test_overlong_everything_is_bounded(self):
        mega = b"x" * (1 << 20)
        floods = {
            "imap": (
                mega, b"a LOGIN " + mega, b"a LOGIN {99999999}\r\n" + mega, b"a LOGIN {99999999+}\r\n" + mega,
                b"a LOGIN {4294967296}\r\n", b"a LOGIN {4294967301+}\r\nalice", b"a LOGIN {99999999999999999999}\r\n",
                b"a LOGIN {18446744073709551616+}\r\n" + mega, b"a LOGIN {-1}\r\n", b"a LOGIN {-1+}\r\n",
                b"a LOGIN {+}\r\n", b"a LOGIN {}\r\n", b"a LOGIN {0x10}\r\n", b"a LOGIN " + b"{0+}\r\n " * 20_000,
                b"a LOGIN " + b"{1+}\r\nx " * 20_000, b"a X (" * 50_000, b"a AUTHENTICATE PLAIN " + mega,
                b"a AUTHENTICATE PLAIN\r\n" + mega, mega + b" LOGIN u p\r\n", b"a NOOP\r\n" * 100_000,
                b'a LOGIN "' + b"\\\\" * 100_000, b"\r\n" * 200_000,
            ),
            "pop3": (
                mega, b"USER " + mega, b"AUTH PLAIN " + mega, b"AUTH PLAIN\r\n" + mega, b"USER a\r\n" * 100_000,
                b"CAPA\r\n" * 100_000,
            ),
            "smtp": (
                mega, b"EHLO " + mega, b"EHLO x\r\nAUTH PLAIN " + mega, b"EHLO x\r\nAUTH LOGIN\r\n" + mega,
                b"NOOP\r\n" * 100_000, b"EHLO x\r\nMAIL FROM:<" + mega,
                b"EHLO x\r\nBDAT 99999999999999999999 LAST\r\n" + mega, b"EHLO x\r\nBDAT 18446744073709551617\r\n" + mega,
            ),
        }
        for protocol, octets in ((protocol, octets) for protocol in floods for octets in floods[protocol]):
            client = self.client(protocol)
            try:
                client.send(octets)
                client.socket.shutdown(socket.SHUT_WR)
                client.rest()
            except OSError:
                pass  # closed while we were sending
        self.assertLess(resident(self.gateway.pid), 120_000_000)
        self.assertEqual([len(upstream.sessions) for upstream in self.upstream.values()], [0, 0, 0])
        # And all goes on.
        for protocol in RAW:
            self.logged_in(protocol)

    def test_names_and_passwords_are_no_lines_and_no_parts_of_others(self):
        """Into the SASL message, the log and the answer; by every mechanism."""
        user, password = self.account.login, self.account.password()
        odd = [
            f"{user}\1auth=Bearer x\1\1", f"{user}\1", f"\1{user}", f"{user},a=bob",
            f"a={user},", f"={user}", f"{user}=2C", f"{user}\r\nA1 NOOP",
            f"{user}\n2026-11-25T10:00:00Z  INFO logged in account=bob@lab.test", f"{user}\x1b[2J\x1b]0;owned\x07",
            f"{user}\u202e\u2066", f"{user}\u2028",
            f"{user}\x7f", f"{user}\x85", "\ud7ff\uffff", "x" * 300, f"{user} ", f" {user}", f"{user}\t",
            "bob@lab.test\" account=\"x", "%s%n%x", "${jndi:ldap://x}",
        ]
        for name in odd:
            said = []
            with self.client("imap") as client:
                said.append(client.command("a", f"AUTHENTICATE PLAIN {plain(name, password)}"))
                octets = name.encode()
                client.send(b"b LOGIN {%d+}\r\n%b \"x\"\r\n" % (len(octets), octets))
                said.append(client.answer("b"))
            with self.client("smtp") as client:
                client.command("EHLO x")
                said.append(client.command(f"AUTH PLAIN {plain(name, password)}"))
                client.command(f"AUTH LOGIN {base64.b64encode(name.encode()).decode()}")
                said.append(client.command(base64.b64encode(password.encode()).decode()))
            with self.client("pop3") as client:
                said.append(client.command(f"AUTH PLAIN {plain(name, password)}"))
            for answer in said:
                self.assertRegex(answer, r"NO \[AUTHENTICATIONFAILED\]|535 5.7.8|-ERR \[AUTH\]|BAD|501|-ERR", (name, said))
                self.assertNotIn("bob", answer)
                self.assertFalse(set("\x1b\x07\u202e\u2066\1\x7f") & set(answer), (name, answer))
        # A right name with an odd password: wrong, and nowhere to be seen.
        for secret in (f"{password}\1", f"{password}\r\nx", f"{password}\x1b[2J", f"\0{password}"):
            with self.client("smtp") as client:
                client.command("EHLO x")
                self.assertRegex(client.command(f"AUTH PLAIN {plain(user, secret)}"), "^(535|501)")
        self.assertEqual([len(upstream.sessions) for upstream in self.upstream.values()], [0, 0, 0])
        log = self.gateway.log()
        self.assertFalse([line for line in log.splitlines() if line.startswith("2026-11-25T10:00:00Z")])
        self.assertFalse(set("\x1b\x07\u202e\u2066\u2028\1\x7f\r") & set(log))
