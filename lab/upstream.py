"""A mail server that records every octet and misbehaves on request.

Real servers add header fields and do not break off in the middle of a literal; where a test judges byte
for byte, or needs a fault, it runs against this one. It knows just enough IMAP to keep a client going,
and it is joined at the end: what goes wrong inside it fails the test.
"""

import base64
import json
import re
import socket
import ssl
import threading

from process import free_port

CAPABILITIES = "IMAP4rev1 SASL-IR IDLE LITERAL+ UIDPLUS"
LITERAL = re.compile(rb"\{(\d+)(\+?)\}\r\n\Z")


class Session:
    """One connection as the server saw it."""

    def __init__(self):
        self.token = None
        self.user = None
        self.believed = False
        # Everything after the tagged OK of the login and the gateway's own CAPABILITY.
        self.received = bytearray()
        self.sent = bytearray()
        # Set when the server has closed the connection.
        self.ended = threading.Event()


class RecordingUpstream:
    """`with RecordingUpstream(world) as upstream:`; set `refuse`, `message`, `cut_after` and `on_select`."""

    def __init__(self, world):
        self.port = free_port()
        self.sessions = []
        # Called with a token; true refuses it.
        self.refuse = lambda token: False
        # What FETCH sends.
        self.message = b"Subject: recorded\r\n\r\nHello\r\n"
        # Breaks off so many octets into the literal of a FETCH.
        self.cut_after = None
        # Holds back the answer to AUTHENTICATE until this is set.
        self.go_on = threading.Event()
        self.go_on.set()
        self.asked = threading.Semaphore(0)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(world.certificate, world.key)
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._threads = []
        self._sockets = []
        self._faults = []
        self._closing = False

    def __enter__(self):
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()
        return self

    def __exit__(self, kind, *_):
        self._closing = True
        self.go_on.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        for connection in self._sockets:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join()
        if self._faults and kind is None:
            raise self._faults[0]

    @property
    def tokens(self):
        """The tokens shown so far, in order."""
        return [session.token for session in self.sessions if session.token]

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection):
        session = Session()
        try:
            with self._context.wrap_socket(connection, server_side=True) as tls:
                self.sessions.append(session)
                with tls.makefile("rb") as reader:  # keeps the socket open as long as it is
                    Conversation(self, session, tls, reader).run()
        except (ConnectionError, ssl.SSLError):
            pass  # the gateway left, as tests make it do
        except OSError as error:
            if not self._closing:
                self._faults.append(error)
        except Exception as error:  # reported where the test can see it
            self._faults.append(error)
        finally:
            session.ended.set()


class Conversation:
    """One session's IMAP."""

    def __init__(self, upstream, session, tls, reader):
        self.upstream, self.session, self.tls, self.reader = upstream, session, tls, reader
        self.recording = False

    def run(self):
        self.send(f"* OK [CAPABILITY {CAPABILITIES} AUTH=XOAUTH2 LOGINDISABLED] recording\r\n")
        while True:
            command = self.command()
            if command is None:
                return
            tag, _, rest = command.partition(b" ")
            name = rest.split(b" ")[0].strip().upper()
            if name == b"LOGOUT":
                self.send(b"* BYE bye\r\n" + tag + b" OK done\r\n")
                return
            if self.answer(tag, name, rest) == "cut":
                return

    def answer(self, tag, name, rest):
        if name == b"CAPABILITY":
            self.send(f"* CAPABILITY {CAPABILITIES} AUTH=XOAUTH2\r\n")
        elif name == b"AUTHENTICATE" and not self.session.believed:
            return self.authenticate(tag, rest)
        elif not self.session.believed:
            self.send(tag + b" BAD authenticate first\r\n")
            return None
        elif name == b"LIST":
            self.send('* LIST (\\HasNoChildren) "/" INBOX\r\n')
        elif name in (b"SELECT", b"EXAMINE"):
            self.send("* 1 EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\n")
        elif b"FETCH" in rest.upper().split(b" ")[:3]:
            return self.fetch(tag)
        elif name == b"IDLE":
            self.send("+ idling\r\n")
            self.line()
        self.send(tag + b" OK done\r\n")
        # The gateway asks for the capabilities itself; from there on every octet is the client's.
        self.recording = self.recording or (self.session.believed and name == b"CAPABILITY")
        return None

    def authenticate(self, tag, rest):
        initial = rest.split(b" ")[2:]
        if not initial:
            self.send("+ \r\n")
            initial = [self.line()]
        user, bearer = base64.b64decode(initial[0]).decode().rstrip("\1").split("\1")
        self.session.user = user.removeprefix("user=")
        self.session.token = bearer.removeprefix("auth=Bearer ")
        self.upstream.asked.release()
        self.upstream.go_on.wait()
        if self.upstream.refuse(self.session.token):
            challenge = json.dumps({"status": "401", "schemes": "bearer", "scope": "mail"}).encode()
            self.send(b"+ " + base64.b64encode(challenge) + b"\r\n")
            self.line()
            self.send(tag + b" NO [AUTHENTICATIONFAILED] AUTHENTICATE failed.\r\n")
            return None
        self.session.believed = True
        self.send(tag + b" OK AUTHENTICATE completed.\r\n")
        return None

    def fetch(self, tag):
        message, cut = self.upstream.message, self.upstream.cut_after
        self.send(b"* 1 FETCH (BODY[] {%d}\r\n" % len(message))
        self.send(message[:cut])
        if cut is not None:
            return "cut"
        self.send(b")\r\n" + tag + b" OK done\r\n")
        return None

    def command(self):
        """One command with its literals, or None at the end."""
        whole = b""
        while True:
            line = self.line()
            if not line:
                return None
            whole += line
            literal = LITERAL.search(line)
            if not literal:
                return whole
            if not literal[2]:
                self.send("+ go on\r\n")
            whole += self.take(self.reader.read(int(literal[1])))

    def line(self):
        return self.take(self.reader.readline())

    def take(self, octets):
        if self.recording:
            self.session.received += octets
        return octets

    def send(self, octets):
        octets = octets.encode() if isinstance(octets, str) else octets
        if self.recording:
            self.session.sent += octets
        self.tls.sendall(octets)
