"""Somebody who means another protocol, or is made to by a web page; and the names that a handshake carries."""

import itertools
import socket
import ssl
import unittest

import lab
from gateway import Account, Gateway, Server
from process import wait_until
from raw import plain
from test_attack_client import ENVELOPE, RAW, RECORDING, SETTINGS, Clients


HTTP = (
    "{verb} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://evil.example\r\n"
    "Content-Length: {length}\r\nContent-Type: {kind}\r\n\r\n{body}"
)
VERBS = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "QUERY")


class CrossProtocol(Clients):
    """Somebody who means another protocol, or is made to by a web page."""

    def bodies(self):
        user, password = self.account.login, self.account.password()
        login = {
            "imap": f"a LOGIN {user} {password}\r\nb SELECT INBOX\r\n", "pop3": f"USER {user}\r\nPASS {password}\r\nSTAT\r\n",
            "smtp": f"EHLO x\r\nAUTH PLAIN {plain(user, password)}\r\n{ENVELOPE.decode()}DATA\r\nx\r\n.\r\n",
        }
        for protocol, body in login.items():
            multipart = f'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n{body}\r\n--x--\r\n'
            yield protocol, "text/plain", body
            yield protocol, "multipart/form-data; boundary=x", multipart

    def sent_away(self, protocol, octets):
        """What is said behind the greeting."""
        client = self.client(protocol)
        client.send(octets)
        # Not closed by us: the gateway has to.
        try:
            return client.rest().decode("utf-8", "replace")
        except ConnectionResetError:
            return ""

    def test_a_browser_gets_nowhere(self):
        tried = 0
        for protocol, kind, body in self.bodies():
            for verb in ("POST", *VERBS):
                request = HTTP.format(
                    verb=verb, path="/<script>alert(1)</script>", port=self.gateway.port(protocol), length=len(body),
                    kind=kind, body=body,
                )
                said = self.sent_away(protocol, request)
                tried += 1
                self.assertLessEqual(said.count("\n"), 1, (protocol, verb, said))
                for reflected in ("script", "evil", "HTTP/", verb):
                    self.assertNotIn(reflected, said)
        for protocol in RAW:
            self.sent_away(protocol, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        wait_until(lambda: self.gateway.log().count("it speaks HTTP") >= tried, f"{tried} lines of HTTP in the log")
        self.assertNotIn("a login", self.gateway.log())

    def test_one_protocol_at_the_port_of_another(self):
        user, password = self.account.login, self.account.password()
        lines = {
            "imap": f"a1 LOGIN {user} {password}\r\n" * 3, "pop3": f"USER {user}\r\nPASS {password}\r\n",
            "smtp": f"EHLO x\r\nAUTH PLAIN {plain(user, password)}\r\n", "ssh": "SSH-2.0-OpenSSH_9.2\r\n\r\n",
            "ldap": "0\x0c\x02\x01\x01\x60\x07\n\n\n",
        }
        for spoken, port in itertools.product(lines, RAW):
            if spoken != port:
                said = self.sent_away(port, lines[spoken])
                self.assertNotIn(password, said)
                self.assertLessEqual(len(said), 300, (spoken, port, said))
        self.assertNotIn("a login", self.gateway.log())

    def test_tls_on_a_port_without_it_is_told_with_the_setting(self):
        for number, protocol in enumerate(RAW):
            client = self.client(protocol)
            client.send(hello("localhost"))
            client.rest()
            told = f"protocol={'IMAP POP3 SMTP'.split()[number]}"
            words = (told, 'tls = "implicit"', "[[listen]]")
            wait_until(
                lambda words=words: any(all(word in line for word in words) for line in self.gateway.log().splitlines()),
                f"a line on TLS with {told}",
            )

    def test_http_at_the_control_socket(self):
        path = f"{self.gateway.state}/control.sock"
        for octets in (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /reload HTTP/1.1\r\n\r\n", hello("x"), b"{" * 10_000, b"\0\n",
            b'{"request":"x"}\n',
        ):
            with socket.socket(socket.AF_UNIX) as control:
                control.settimeout(30)
                control.connect(path)
                try:
                    control.sendall(octets)
                    control.shutdown(socket.SHUT_WR)
                    said = b"".join(iter(lambda: control.recv(4096), b""))
                except OSError:
                    said = b""
            self.assertNotIn(b"HTTP", said)
            self.assertNotRegex(said, rb'"(status|reload)"')
        # It still answers whom it knows.
        self.gateway.command("reload")


class OverTls(unittest.TestCase):
    """The same where TLS comes first: the names that a handshake carries."""

    def setUp(self):
        world = lab.world()
        self.upstream = {name: self.enterContext(kind(world)) for name, kind in RECORDING.items()}
        account = Account("alice@lab.test", "robot", *(Server(it.port) for it in self.upstream.values()))
        name = f"attack-tls-{self.id().split('.')[-1]}"
        self.gateway = self.enterContext(
            Gateway(world, name, [account], modes=("implicit", "starttls"), settings=SETTINGS)
        )

    def handshake(self, protocol, alpn=(), name="localhost"):
        context = lab.world().tls()
        context.check_hostname = False
        context.set_alpn_protocols(list(alpn))
        port = self.gateway.port(protocol, "implicit")
        with socket.create_connection(("127.0.0.1", port), timeout=30) as clear:
            with context.wrap_socket(clear, server_hostname=name) as client:
                return client.selected_alpn_protocol(), client.recv(100)

    def test_a_handshake_for_another_protocol_fails(self):
        """ALPACA: a browser, or a client of another mail protocol, that was led here."""
        for protocol in RAW:
            for alpn in (("http/1.1",), ("h2", "http/1.1"), ("ftp",), ("imap" if protocol != "imap" else "pop3",)):
                with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol", msg=(protocol, alpn)):
                    self.handshake(protocol, alpn)
            self.assertEqual(self.handshake(protocol, ("h2", protocol))[0], protocol)
            self.assertEqual(self.handshake(protocol)[0], None)
        self.assertIn("no TLS with the client", self.gateway.log())

    def test_any_name_is_served_with_our_own_certificate(self):
        """There is one certificate: a name is no way to another one."""
        for name in ("localhost", "other.example", "127.0.0.1", None):
            self.assertRegex(self.handshake("imap", name=name)[1], rb"^\* OK")

    def test_clear_text_on_a_tls_port_is_told(self):
        for octets in (b"a LOGIN u p\r\n", b"EHLO x\r\n", b"GET / HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.gateway.port("imap", "implicit")), timeout=30) as client:
                client.sendall(octets)
                client.recv(100)
        wait_until(lambda: self.gateway.log().count("no TLS with the client") == 3, "three lines")
        for line in self.gateway.log().splitlines():
            if "no TLS with the client" in line:
                self.assertIn("[[listen]]", line)


def hello(name):
    """A ClientHello."""
    outgoing = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()
