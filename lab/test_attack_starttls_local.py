"""A man in the middle of STARTTLS between mail programs and the gateway, in the three protocols; and what he can do
to a session afterwards: forge its end, or cut it off.

Whatever was said in clear has no effect inside TLS, and an end that nobody has signed is called one in the log.
"""

import re
import socket
import ssl
import unittest

import lab
from gateway import PROTOCOLS, Account, Gateway
from process import wait_until
from raw import RawImap, RawPop3, RawSmtp, plain
from upstream import Left
from upstream.hostile import Hostile

SETTINGS = '[deadlines]\nhandshake = "1s"\nfailed_login_delay = "10ms"\n'
CLIENTS = {"imap": RawImap, "pop3": RawPop3, "smtp": RawSmtp}
BEGIN = {"imap": b"S1 STARTTLS\r\n", "pop3": b"STLS\r\n", "smtp": b"STARTTLS\r\n"}
GO_AHEAD = {"imap": b"S1 OK ", "pop3": b"+OK ", "smtp": b"220 "}
ASK = {"imap": b"Q1 NOOP\r\n", "pop3": b"CAPA\r\n", "smtp": b"NOOP\r\n"}
# A forged end of TLS: no key was needed for it.
CLOSE_NOTIFY = b"\x15\x03\x03\x00\x02\x01\x00"
ALERT = b"\x15\x03\x03\x00\x02\x02\x28"


class Local(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        world = lab.world()
        cls.servers = {protocol: cls.enterClassContext(Hostile(world, protocol)) for protocol in PROTOCOLS}
        ports = {protocol: server.port for protocol, server in cls.servers.items()}
        cls.account = Account("alice@lab.test", "robot", **ports)
        gateway = Gateway(world, "attacks-local", [cls.account], modes=("starttls",), settings=SETTINGS)
        # A login in clear is allowed, so that one can be begun there.
        gateway.rewrite('tls = "starttls"\n', 'tls = "starttls"\nlogin_in_clear = true\n')
        cls.gateway = cls.enterClassContext(gateway)
        cls.context = world.tls()
        cls.login = plain(cls.account.login, cls.account.password()).encode()
        injected = {
            "imap": (b"X1 NOOP\r\n", b"X LOGOUT\r\n", b"X AUTHENTICATE PLAIN %b\r\n" % cls.login, b"X LO", b"\r\n", b"\0"),
            "pop3": (b"CAPA\r\n", b"QUIT\r\n", b"AUTH PLAIN %b\r\n" % cls.login, b"CA", b"\r\n", b"\0"),
            "smtp": (b"EHLO x\r\n", b"QUIT\r\n", b"AUTH PLAIN %b\r\n" % cls.login, b"EH", b"\r\n", b"\0"),
        }
        cls.injected = [(protocol, octets) for protocol, forms in injected.items() for octets in forms]

    def setUp(self):
        with open(self.gateway.log_path, "rb") as log:
            self._from = log.seek(0, 2)
        for server in self.servers.values():
            server.script = {}

    def log(self):
        with open(self.gateway.log_path, "rb") as log:
            log.seek(self._from)
            return log.read().decode("utf-8", "replace")

    def wait_for(self, words, protocol=""):
        """The log line with these words, about a connection of this protocol."""
        line = rf"[^\n]*{words}[^\n]*protocol={protocol.upper()}[^\n]*"
        return wait_until(lambda: re.search(line, self.log()), f"{line!r} in the log")[0]

    def client(self, protocol):
        return self.enterContext(CLIENTS[protocol](self.gateway.port(protocol, "starttls")))

    def begin(self, protocol, behind=b""):
        """A client that may begin with its handshake."""
        client = self.client(protocol)
        client.send(BEGIN[protocol] + behind)
        self.assertTrue(client.line().startswith(GO_AHEAD[protocol]))
        return client

    def secure(self, client):
        """The same client inside TLS."""
        client.socket = self.context.wrap_socket(client.socket, server_hostname="localhost")
        client._reader = client.socket.makefile("rb")
        return client

    def logins(self):
        return sum(len(server.sessions) for server in self.servers.values())

    # --- around the handshake ---

    def test_commands_in_the_packet_of_starttls_are_never_run(self):
        before = self.logins()
        for protocol, injected in self.injected:
            with self.subTest(protocol=protocol, injected=injected):
                client = self.secure(self.begin(protocol, injected))
                # One word of goodbye, and nothing that answers what came in clear, nor what comes now.
                try:
                    client.send(ASK[protocol])
                except OSError:
                    pass
                self.assertRegex(rest(client), rb"\A(\* BYE|-ERR|421 4\.7\.0) [ -~]+\r\n\Z")
        self.assertEqual(self.logins(), before)

    def test_commands_behind_the_go_ahead_are_no_handshake(self):
        before = self.logins()
        for protocol, injected in self.injected:
            with self.subTest(protocol=protocol, injected=injected):
                client = self.begin(protocol)
                client.send(injected.ljust(5, b"\0"))
                self.assertNotRegex(rest(client), rb"X1?|\+OK|250|221|235")
        self.wait_for("no TLS with the client: what the peer sent is not TLS")
        self.assertEqual(self.logins(), before)

    def test_an_alert_silence_or_an_end_instead_of_the_handshake(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                self.begin(protocol).send(ALERT)
                self.wait_for("no TLS with the client: received fatal alert", protocol)
                self.begin(protocol).leave()
                self.wait_for("no TLS with the client: the peer closed the connection", protocol)
        client = self.begin("imap")
        self.assertEqual(rest(client), b"")
        self.wait_for("no TLS with the client: the client did not finish it in time")

    def test_twice(self):
        refusals = {"imap": b"S1 BAD ", "pop3": b"-ERR ", "smtp": b"50"}
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                client = self.secure(self.begin(protocol))
                client.send(BEGIN[protocol])
                self.assertTrue(client.line().startswith(refusals[protocol]))
                # It goes on in the TLS that there is.
                self.assert_serves(client, protocol)

    def test_a_partial_command_before_it_is_none_behind_it(self):
        client = self.client("imap")
        client.send(b"A1 LOGIN {%d}\r\n" % len(BEGIN["imap"]))
        self.assertTrue(client.line().startswith(b"+"))
        # The literal takes it: it is the name of somebody.
        client.send(BEGIN["imap"] + b" {1}\r\n")
        self.assertTrue(client.line().startswith(b"+"))
        client = self.client("pop3")
        self.assertEqual(client.command(f"USER {self.account.login}")[:3], "+OK")
        client.send(BEGIN["pop3"])
        client.line()
        self.assertEqual(self.secure(client).command(f"PASS {self.account.password()}")[:4], "-ERR")
        self.assert_serves(client, "pop3")

    def test_a_login_begun_in_clear_does_not_end_inside(self):
        begun = {"imap": b"A1 AUTHENTICATE PLAIN\r\n", "pop3": b"AUTH PLAIN\r\n", "smtp": b"AUTH PLAIN\r\n"}
        before = self.logins()
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                client = self.client(protocol)
                if protocol == "smtp":
                    client.command("EHLO lab.test")
                client.send(begun[protocol])
                self.assertRegex(client.line(), rb"\A(\+|334) ")
                # It is the response, not a command.
                client.send({"imap": b"STARTTLS\r\n"}.get(protocol, BEGIN[protocol]))
                self.assertRegex(client.line(), rb"\A(A1 BAD|-ERR|50\d) ")
                client.send(BEGIN[protocol])
                self.assertTrue(client.line().startswith(GO_AHEAD[protocol]))
                self.secure(client)
                client.send(self.login + b"\r\n")
                self.assertRegex(client.line(), rb"\A(\* BYE|-ERR|50\d) ")
        self.assertEqual(self.logins(), before)

    def assert_serves(self, client, protocol):
        if protocol == "smtp":
            self.assertEqual(client.login(self.account.login, self.account.password())[:3], "235")
        else:
            self.assertRegex(client.login(self.account.login, self.account.password()), r"L1 OK|\+OK[^\n]*\n\+OK")

    # --- below TLS ---

    def raw_below(self, client):
        """The socket under the client's TLS, for whoever stands in between."""
        return socket.socket(fileno=socket.dup(client.socket.fileno()))

    def test_octets_in_clear_below_tls_are_not_read(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                client = self.secure(self.begin(protocol))
                with self.raw_below(client) as below:
                    below.sendall(b"X1 NOOP\r\nEHLO x\r\nCAPA\r\n")
                    self.assertEqual(rest(client), b"")

    # --- the end of a session ---

    def in_session(self, protocol):
        client = self.secure(self.begin(protocol))
        self.assert_serves(client, protocol)
        return client

    def test_a_forged_end_of_tls_is_a_broken_connection(self):
        for protocol in PROTOCOLS:
            with self.subTest(protocol=protocol):
                client = self.in_session(protocol)
                with self.raw_below(client) as below:
                    below.sendall(CLOSE_NOTIFY)
                    rest(client)
                self.assertIn("ended: the connection to the client broke: ", self.wait_for("ended: ", protocol))

    def test_a_message_that_is_cut_off_is_not_sent(self):
        """The client's end may be anybody's: nothing that it cut in two is completed."""
        for last in (b"RCPT TO:<b@sink.te", b"DATA\r\nhello\r\n.", b"BDAT 10 LAST\r\nhello"):
            with self.subTest(last):
                client = self.in_session("smtp")
                self.servers["smtp"].script = {"tls DATA": b"354 go\r\n", "tls HELLO": b"", "tls BDAT": b""}
                session = self.servers["smtp"].sessions[-1]
                client.envelope()
                client.send(last)
                wait_until(lambda: session.inside.count(b"RCPT"), "the envelope at the server")
                abort(client)
                self.assertTrue(session.ended.wait(30))
                self.assertNotRegex(bytes(session.inside), rb"sink\.te\r?\n|\r\n\.\r\n|b@sink")
        self.wait_for("the client closed the connection without ending TLS")

    def test_what_the_server_could_not_finish_does_not_look_finished(self):
        """It is passed on as far as it came. Every protocol counts or marks its ends, and none is made up."""
        cut = {
            "imap": ("tls FETCH", b"* 1 FETCH (BODY[] {100}\r\nhalf\r\n", b"F1 FETCH 1 BODY[]\r\n"),
            "pop3": ("tls RETR", b"+OK here\r\nhalf\r\n", b"RETR 1\r\n"),
            "smtp": ("tls MAIL", b"250-half\r\n", b"MAIL FROM:<alice@lab.test>\r\n"),
        }
        for end in (b"", CLOSE_NOTIFY):
            for protocol in PROTOCOLS:
                with self.subTest(protocol=protocol):
                    moment, octets, command = cut[protocol]
                    client = self.in_session(protocol)
                    self.servers[protocol].script = {moment: cut_below(octets, end)}
                    client.send(command)
                    heard = rest(client)
                    client.leave()
                    # What comes in one packet with a forgery is lost with it.
                    if not end:
                        self.assertIn(octets.strip(), heard)
                    self.assertNotRegex(heard, rb"F1 OK|F1 NO|\r\n\.\r\n|\A250 |\r\n250 ")
                    why = "the connection to the mail server broke" if end else "without ending TLS"
                    self.wait_for(f"ended: .*{why}", protocol)


def rest(client):
    """Everything until the end, however that comes."""
    heard = b""
    try:
        while came := client.socket.recv(4096):
            heard += came
    except OSError:
        pass
    return heard


def abort(client):
    """An end of the connection that says nothing of the end of TLS."""
    below = socket.socket(fileno=client.socket.detach())
    below.shutdown(socket.SHUT_WR)
    below.close()


def cut_below(octets, end):
    """Says a part, and leaves without an end of TLS; with a forged one, if there is any."""

    def cut(talk):
        talk.raw(octets)
        below = socket.socket(fileno=talk._socket.detach())
        below.sendall(end)
        below.close()
        raise Left

    return cut
