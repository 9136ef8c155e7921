"""Mail servers of the lab's own: they record every octet and misbehave on request.

Real servers add header fields and do not break off in the middle of a message; where a test judges byte
for byte, or needs a fault, it runs against one of these. Each knows just enough of its protocol to keep a
client going, and is joined at the end: what goes wrong inside it fails the test.
"""

import base64
import json
import socket
import ssl
import threading

from process import free_port

# What a challenge to a refused token says.
CHALLENGE = base64.b64encode(json.dumps({"status": "401", "schemes": "bearer", "scope": "mail"}).encode())

# Answers that are none: the connection ends; nothing comes until the server closes.
CUT, HANG = object(), object()


class Left(Exception):
    """The server ends the connection."""


class Session:
    """One connection as the server saw it."""

    def __init__(self):
        self.mechanism = None
        self.user = None
        # Whether the login had an initial response.
        self.initial_response = None
        # What it logged in with, refused or not: a token or a password.
        self.token = None
        self.password = None
        self.believed = False
        self.pipelined = False
        # Everything after the login.
        self.received = bytearray()
        self.sent = bytearray()
        # Which of the server's addresses the client came to.
        self.address = None
        # Set when the server has closed the connection.
        self.ended = threading.Event()


class RecordingUpstream:
    """`with RecordingImap(world) as upstream:`, and so on; listens in TLS, with `tls="starttls"` or
    `"none"` in clear. Its attributes say how it misbehaves."""

    # The Conversation that it has with each client.
    conversation = None
    # Where it listens; see netns.py for others.
    address = "127.0.0.1"

    def __init__(self, world, tls="implicit"):
        self.port = free_port()
        self.tls = tls
        self.sessions = []
        # Called with a token or password; true refuses it.
        self.refuse = lambda token: False
        # Holds back the verdict on a login until this is set.
        self.go_on = threading.Event()
        self.go_on.set()
        # What is said in place of the usual at a moment that the protocol's module names: octets, CUT, HANG, or a
        # function of the command line that gives one of these, or None for the usual.
        self.answers = {}
        # Counts the logins asked for.
        self.asked = threading.Semaphore(0)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(world.certificate, world.key)
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self._listener = socket.create_server(
            (self.address, self.port), family=family, backlog=200, dualstack_ipv6=family == socket.AF_INET6
        )
        self._threads = []
        self._talks = []
        self._faults = []
        # Set when all is over.
        self.closing = threading.Event()

    def __enter__(self):
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()
        return self

    def __exit__(self, kind, *_):
        self.closing.set()
        self.go_on.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        for talk in self._talks:
            talk.cut()
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
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection):
        session = Session()
        session.address = connection.getsockname()[0].removeprefix("::ffff:")
        try:
            talk = self.conversation(self, session, connection)
            self._talks.append(talk)
            # Over already, and nobody will cut this one.
            if self.closing.is_set():
                talk.cut()
            try:
                if self.tls == "implicit":
                    talk.start_tls()
                self.sessions.append(session)
                talk.run()
            finally:
                talk.close()
        except (ConnectionError, ssl.SSLError, Left):
            pass  # the gateway left, or this server did, as tests make them do
        except OSError as error:
            if not self.closing.is_set():
                self._faults.append(error)
        except Exception as error:  # reported where the test can see it
            self._faults.append(error)
        finally:
            session.ended.set()


class Conversation:
    """One session: what all protocols share."""

    def __init__(self, upstream, session, connection):
        self.upstream, self.session = upstream, session
        self.recording = False
        self._socket = connection
        self._buffer = bytearray()

    def start_tls(self):
        if self._buffer:
            raise AssertionError(f"came before the TLS handshake: {bytes(self._buffer)}")
        self._socket = self.upstream.context.wrap_socket(
            self._socket, server_side=True, do_handshake_on_connect=False
        )
        self._socket.do_handshake()

    def cut(self):
        """Ends whatever it waits for, also where the other side is gone without a word."""
        try:
            # Past TLS, which another thread is busy with.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self):
        self._socket.close()

    def line(self):
        """One line with its end; what there is at the end of the connection."""
        looked_at = 0
        while (end := self._buffer.find(b"\n", looked_at)) < 0:
            looked_at = len(self._buffer)
            if not self._fill():
                return self._take(looked_at)
        return self._take(end + 1)

    def octets(self, length):
        """That many octets, or fewer at the end."""
        while len(self._buffer) < length and self._fill():
            pass
        return self._take(length)

    def _fill(self):
        came = self._socket.recv(65536)
        self._buffer += came
        return bool(came)

    def _take(self, length):
        octets = bytes(self._buffer[:length])
        del self._buffer[:length]
        if self.recording:
            self.session.received += octets
        return octets

    def send(self, octets):
        octets = octets.encode() if isinstance(octets, str) else octets
        # Something more came before its time: before the answer.
        self.session.pipelined = self.session.pipelined or bool(self._buffer)
        if self.recording:
            self.session.sent += octets
        self._socket.sendall(octets)

    def answer(self, moment, usual, line=b""):
        """What to say at this moment."""
        answer = self.upstream.answers.get(moment, usual)
        if callable(answer):
            answer = answer(line) or usual
        if answer is HANG:
            self.upstream.closing.wait()
        if answer in (CUT, HANG):
            raise Left
        return answer

    def verdict(self, mechanism, response):
        """Notes a login's SASL message and says whether it is believed."""
        session = self.session
        session.mechanism, text = mechanism, base64.b64decode(response, validate=True).decode()
        session.token = session.password = None
        if mechanism == "PLAIN":
            _, session.user, session.password = text.split("\0")
        elif mechanism == "XOAUTH2":
            user, bearer = text.removesuffix("\1\1").split("\1")
            session.user = user.removeprefix("user=")
            session.token = bearer.removeprefix("auth=Bearer ")
        elif mechanism == "OAUTHBEARER":
            head, *pairs = text.removesuffix("\1\1").split("\1")
            session.user = head.removeprefix("n,a=").removesuffix(",").replace("=2C", ",").replace("=3D", "=")
            session.token = dict(pair.split("=", 1) for pair in pairs)["auth"].removeprefix("Bearer ")
        else:
            raise AssertionError(f"no SASL message of {mechanism} is read here")
        return self.decide()

    def decide(self):
        """The verdict on what has been noted."""
        session = self.session
        self.upstream.asked.release()
        self.upstream.go_on.wait()
        session.believed = not self.upstream.refuse(session.token or session.password)
        return session.believed
