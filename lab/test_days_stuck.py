"""Slow and stuck peers, at every phase and on both sides. Each ends by its own deadline, and nobody else notices.

All deadlines are seconds here; the defaults are those of the RFCs. Whatever is stuck waits at the same time."""

import os
import socket
import ssl
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor

import lab
from clients import message
from gateway import Account, Gateway, Server
from process import resident, wait_until
from raw import RawImap, RawPop3, RawSmtp, plain
from upstream.imap import RecordingImap
from upstream.mute import Mute, Unaccepting
from upstream.pop3 import RecordingPop3
from upstream.smtp import RecordingSmtp
from upstream.token import Drip, Grant, Hang, Headers, ScriptedEndpoint

# `login` and `verdict` have their least values.
DEADLINES = """[deadlines]
login = "10s"
verdict = "20s"
handshake = "1s"
connect = "1s"
upstream_answer = "1s"
token = "2s"
failed_login_delay = "10ms"
linger = "2s"
imap_idle = "3s"
pop3_idle = "3s"
smtp_idle = "3s"
"""

RAW = {"imap": RawImap, "pop3": RawPop3, "smtp": RawSmtp}
IMAP = [b"* OK ready\r\n", b"* CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2\r\n{tag} OK\r\n", b"{tag} OK in\r\n"]
POP3 = [b"+OK ready\r\n", b"+OK\r\nSASL XOAUTH2\r\nUSER\r\n.\r\n", b"+ \r\n"]
SMTP = [b"220 ready\r\n", b"250-hi\r\n250 AUTH XOAUTH2\r\n"]
# What a server says before it says nothing more: each front of each of these.
TALKS = {"imap": IMAP, "pop3": POP3, "smtp": SMTP}
# The same in clear, up to the handshake.
CLEAR = {
    "imap": [b"* OK ready\r\n", b"* CAPABILITY IMAP4rev1 STARTTLS\r\n{tag} OK\r\n", b"{tag} OK go\r\n"],
    "pop3": [b"+OK ready\r\n", b"+OK\r\nSTLS\r\n.\r\n", b"+OK go\r\n"],
    "smtp": [b"220 ready\r\n", b"250-hi\r\n250 STARTTLS\r\n", b"220 go\r\n"],
}


def refused_for_now(protocol, answer):
    return {"imap": "NO [UNAVAILABLE]", "pop3": "-ERR [SYS/TEMP]", "smtp": "454"}[protocol] in answer


def log_in(gateway, protocol, account):
    with RAW[protocol](gateway.port(protocol)) as client:
        return client.login(account.login, account.password())


class Rig:
    """A gateway with one account on recording servers for all three protocols."""

    def __init__(self, enter, deadlines, **settings):
        world = lab.world()
        kinds = {"imap": RecordingImap, "pop3": RecordingPop3, "smtp": RecordingSmtp}
        self.upstreams = {protocol: enter(kind(world)) for protocol, kind in kinds.items()}
        servers = {protocol: Server(it.port, settings=settings) for protocol, it in self.upstreams.items()}
        self.account = Account("alice@lab.test", "robot", **servers)
        modes = ("none", "implicit", "starttls")
        self.gateway = enter(Gateway(world, f"stuck-{len(Gateway.all)}", [self.account], modes, deadlines))


class Stuck(unittest.TestCase):
    """They have seconds to wait for their deadlines, so the first tests run meanwhile."""

    @classmethod
    def setUpClass(cls):
        cls.rig = Rig(cls.enterClassContext, DEADLINES)
        gateway = cls.rig.gateway
        # What the first login opens stays open.
        log_in(gateway, "imap", cls.rig.account)
        cls.descriptors = descriptors(gateway.pid)
        cls.stuck = [cls.connect(*story) for story in cls.stories()]
        cls.drips = [cls.connect(protocol, "none", b"") for protocol in RAW]
        cls.stop = threading.Event()
        cls.dripping = threading.Thread(target=drip, args=(cls.drips, cls.stop))
        cls.dripping.start()
        cls.addClassCleanup(lambda: (cls.stop.set(), cls.dripping.join()))
        cls.floods = [cls.connect(protocol, "none", line * 3000) for protocol, line in FLOODS.items()]

    @staticmethod
    def stories():
        """Protocol, TLS mode, and what is said before nothing more is."""
        hello = client_hello()
        yield from ((protocol, "implicit", octets) for protocol in RAW for octets in (b"", hello[:1], hello[:-1]))
        yield from ((protocol, "none", b"") for protocol in RAW)
        yield "imap", "starttls", b"a STARTTLS\r\n"
        yield "pop3", "starttls", b"STLS\r\n"
        yield "smtp", "starttls", b"EHLO a\r\nSTARTTLS\r\n"
        for octets in (b"a", b"a LOGIN {5}\r\n", b"a LOGIN {5}\r\nal", b"a LOGIN {5+}\r\nalice {99}\r\n",
                       b"a AUTHENTICATE PLAIN\r\n", b"a AUTHENTICATE LOGIN\r\nYWxpY2U=\r\n"):
            yield "imap", "none", octets
        for octets in (b"USER alice@lab.test\r\n", b"USER alice@lab.test\r\nPASS ", b"AUTH PLAIN\r\n"):
            yield "pop3", "none", octets
        for octets in (b"EHLO a", b"EHLO a\r\nAUTH LOGIN\r\n", b"EHLO a\r\nAUTH PLAIN\r\n" + plain("a", "b").encode()):
            yield "smtp", "none", octets

    @classmethod
    def connect(cls, protocol, mode, octets):
        client = cls.enterClassContext(socket.create_connection(("127.0.0.1", cls.rig.gateway.port(protocol, mode)), 60))
        client.sendall(octets)
        return client

    def test_others_do_not_notice(self):
        self.assertIn("L1 OK", log_in(self.rig.gateway, "imap", self.rig.account))

    def test_silence_at_each_phase_is_a_passing_fault(self):
        """TCP, TLS, greeting, capabilities, authentication, behind it."""
        world, accounts = lab.world(), []

        def add(name, protocol, port, tls="implicit"):
            accounts.append((protocol, Account(f"{name}@lab.test", "robot", **{protocol: Server(port, tls)})))

        for protocol, talk in TALKS.items():
            add(f"{protocol}-tcp", protocol, self.enterContext(Unaccepting()).port)
            add(f"{protocol}-tls", protocol, self.enterContext(Mute(world, tls=False)).port)
            for length in range(len(talk) + 1):
                add(f"{protocol}-{length}", protocol, self.enterContext(Mute(world, talk[:length])).port)
            for length in range(1, 4):
                mute = self.enterContext(Mute(world, CLEAR[protocol][:length], tls=False))
                add(f"{protocol}-clear-{length}", protocol, mute.port, "starttls")
        good = Account("good@lab.test", "robot", imap=self.enterContext(RecordingImap(world)).port)
        with Gateway(world, "stuck-servers", [*(it for _, it in accounts), good], settings=DEADLINES) as gateway:
            with ThreadPoolExecutor(len(accounts)) as pool:
                answers = [pool.submit(log_in, gateway, protocol, account) for protocol, account in accounts]
                wait_until(lambda: gateway.log().count("a token is at hand") >= 5, "some logins that wait")
                self.assertIn("L1 OK", log_in(gateway, "imap", good))
            for (protocol, account), answer in zip(accounts, answers):
                self.assertTrue(refused_for_now(protocol, answer.result()), f"{account.login}: {answer.result()}")

    def test_silence_of_a_token_endpoint_is_a_passing_fault(self):
        world = lab.world()
        endpoint = self.enterContext(ScriptedEndpoint(world))
        upstream = self.enterContext(RecordingImap(world))
        mute = self.enterContext(Mute(world, tls=False)).port
        full = self.enterContext(Unaccepting()).port
        endpoint.answers = {"hang": Hang(), "headers": Headers(), "drip": Drip(), "good": Grant()}
        urls = {name: endpoint.url(name) for name in endpoint.answers}
        urls |= {"tls": f"https://localhost:{mute}/token", "tcp": f"https://localhost:{full}/token"}
        accounts = {
            name: Account(f"{name}@lab.test", "robot", imap=upstream.port, settings={"token_url": f'"{url}"'})
            for name, url in urls.items()
        }
        good = accounts.pop("good")
        with Gateway(world, "stuck-endpoints", [*accounts.values(), good], settings=DEADLINES) as gateway:
            with ThreadPoolExecutor(len(accounts)) as pool:
                waiting = [pool.submit(log_in, gateway, "imap", account) for account in accounts.values()]
                self.assertIn("L1 OK", log_in(gateway, "imap", good))
                for answer in waiting:
                    self.assertIn("L1 NO [UNAVAILABLE]", answer.result())

    def test_whoever_stops_before_a_login_is_sent_away(self):
        """In a line, a literal, an exchange, a handshake, or by never reading the answers; or drips."""
        if self.descriptors is None:
            self.skipTest("root alone sees how many files the gateway has open: it hides from its own user")
        gateway = self.rig.gateway
        # All ends are the gateway's.
        wait_until(lambda: descriptors(gateway.pid) <= self.descriptors, "all descriptors given back", patience=60)
        for client in self.stuck + self.drips:
            self.assertTrue(ends(client), client)
        self.assertIn("L1 OK", log_in(gateway, "imap", self.rig.account))


class Sessions(unittest.TestCase):
    """An account on recording servers for all three protocols."""

    def start(self, deadlines, **settings):
        self.rig = Rig(self.enterContext, deadlines, **settings)
        self.gateway, self.upstreams = self.rig.gateway, self.rig.upstreams

    def logged_in(self, protocol):
        client = self.enterContext(RAW[protocol](self.gateway.port(protocol)))
        answer = client.login(self.rig.account.login, self.rig.account.password())
        self.assertRegex(answer, "L1 OK|[+]OK.*\r\n[+]OK|^235")
        return client

    def test_a_silent_session_ends_in_the_words_of_its_protocol(self):
        self.start(DEADLINES, connection_limit="1")
        clients = {protocol: self.logged_in(protocol) for protocol in RAW}
        rests = {protocol: client.rest() for protocol, client in clients.items()}
        self.assertTrue(rests["imap"].startswith(b"* BYE "), rests)
        # RFC 1939 section 3: without a word, and nothing is deleted.
        self.assertEqual(rests["pop3"], b"")
        self.assertTrue(rests["smtp"].startswith(b"421 4.4.2 "), rests)
        for client in clients.values():
            client.leave()
        wait_until(lambda: self.gateway.log().count("ended: nothing has passed for too long") == 3, "three log lines")
        for protocol, upstream in self.upstreams.items():
            self.assertTrue(upstream.sessions[-1].ended.wait(30), protocol)
            self.logged_in(protocol)

    def test_a_reader_that_stops_in_100_megabytes_harms_nobody_and_is_ended(self):
        self.start(DEADLINES.replace("_idle = \"3s\"", "_idle = \"60s\"") + 'tcp_user_timeout = "3s"\n')
        mail = message("large", 100_000_000)
        self.upstreams["imap"].message = self.upstreams["pop3"].message = mail
        before = resident(self.gateway.pid)
        stopped = [self.logged_in("imap") for _ in range(3)] + [self.logged_in("pop3") for _ in range(2)]
        for client in stopped:
            client.send("F1 FETCH 1 BODY[]\r\n" if isinstance(client, RawImap) else "RETR 1\r\n")
            client.line()
        other = self.logged_in("imap")
        for number in range(200):
            self.assertIn(f"N{number} OK", other.command(f"N{number}", "NOOP"))
        self.assertLess(resident(self.gateway.pid) - before, 30_000_000)
        slow = self.logged_in("imap")
        slow.send("F1 FETCH 1 BODY[]\r\n")
        slow.line()
        read = bytearray()

        def all_five_have_ended():
            # Slower than the mail comes, and steadily.
            read.extend(slow.read(100_000))
            return self.gateway.log().count("ended: the connection to the client broke") == 5

        wait_until(all_five_have_ended, "the ends of five")
        self.assertIn("N OK", other.command("N", "NOOP"))
        read.extend(slow.read(len(mail) - len(read)))
        self.assertTrue(read == mail, "the slow reader's mail has changed")
        self.assertIn("F1 OK", slow.answer("F1"))


# Asked and never read: answers pile up.
FLOODS = {"imap": b"a CAPABILITY\r\n", "pop3": b"CAPA\r\n", "smtp": b"EHLO a\r\n"}


def client_hello():
    """The first octets of a TLS handshake."""
    sent = ssl.MemoryBIO()
    context = ssl.create_default_context()
    try:
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        return sent.read()


def drip(clients, stop):
    """An octet of a line without an end, now and then (slow loris)."""
    while not stop.wait(0.3):
        for client in clients:
            try:
                client.sendall(b"x")
            except OSError:
                pass


def ends(client):
    """Whether the gateway ends this connection, whatever it says before."""
    try:
        while client.recv(65536):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


def descriptors(pid):
    """How many files a process has open; nothing where that is not to be seen."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        return None
