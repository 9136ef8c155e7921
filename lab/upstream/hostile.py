"""A server that says what a table tells it, before TLS, inside it and in its place; the man in the middle, too.

The hard thing is to know what it was told in clear: `Session.clear` has that, `Session.inside` the rest.

A table is a dict from a moment to an answer. Moments are "greeting", a command's verb, and "verdict" behind the
credential; those inside TLS have "tls " in front. An answer is octets, several of them sent one by one (a tuple),
CUT, HANG, or a function of the conversation. In octets, %T is the tag of the command, %K the token and %B the
response in which it came.
"""

import errno
import re

from upstream import CUT, HANG, Conversation, Left, RecordingUpstream

USUAL = {
    "imap": {
        "greeting": b"* OK ready\r\n",
        "CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n%T OK done\r\n",
        "STARTTLS": b"%T OK begin\r\n",
        "tls greeting": b"* OK ready\r\n",
        "tls CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=XOAUTH2 IDLE\r\n%T OK done\r\n",
        "tls AUTHENTICATE": b"+ \r\n",
        "tls verdict": b"%T OK in\r\n",
        "tls LOGOUT": b"* BYE bye\r\n%T OK bye\r\n",
        "other": b"%T OK done\r\n",
    },
    "pop3": {
        "greeting": b"+OK ready\r\n",
        "CAPA": b"+OK\r\nSTLS\r\nRESP-CODES\r\n.\r\n",
        "STLS": b"+OK begin\r\n",
        "tls greeting": b"+OK ready\r\n",
        "tls CAPA": b"+OK\r\nSASL XOAUTH2\r\nRESP-CODES\r\nUIDL\r\n.\r\n",
        "tls AUTH": b"+ \r\n",
        "tls verdict": b"+OK in\r\n",
        "other": b"+OK done\r\n",
    },
    "smtp": {
        "greeting": b"220 ready ESMTP\r\n",
        "EHLO": b"250-hello\r\n250 STARTTLS\r\n",
        "STARTTLS": b"220 begin\r\n",
        "tls greeting": b"220 ready ESMTP\r\n",
        "tls EHLO": b"250-hello\r\n250-SIZE 1000000\r\n250 AUTH XOAUTH2\r\n",
        "tls AUTH": b"334 \r\n",
        "tls verdict": b"235 2.7.0 in\r\n",
        "other": b"250 2.0.0 done\r\n",
    },
}
GO_AHEAD = {"imap": rb"(?m)^G\d+ OK", "pop3": rb"(?m)^\+OK", "smtp": rb"(?m)^220"}
# What a client may say to a server that has not yet proved who it is.
HARMLESS = {
    "imap": rb"(G\d+ (CAPABILITY|STARTTLS|LOGOUT)\r\n)*",
    "pop3": rb"((CAPA|STLS|QUIT)\r\n)*",
    "smtp": rb"((EHLO \[[0-9a-fA-F.:]+\]|EHLO \[IPv6:[0-9a-fA-F.:]+\]|STARTTLS|QUIT)\r\n)*",
}


class HostileConversation(Conversation):
    secure = False

    def __init__(self, upstream, session, connection):
        super().__init__(upstream, session, connection)
        self.protocol = upstream.protocol
        self.tag, self.token, self.response = b"*", b"", b""
        session.clear, session.inside, session.secured = bytearray(), bytearray(), False

    def start_tls(self):
        super().start_tls()
        self.session.secured = self.secure = True

    def _fill(self):
        before = len(self._buffer)
        came = super()._fill()
        (self.session.inside if self.secure else self.session.clear).extend(self._buffer[before:])
        return came

    def run(self):
        self.say("greeting")
        while line := self.line():
            words = line.split()
            if self.protocol == "imap":
                self.tag, *words = words or [b"*"]
            verb = words[0].decode("ascii", "replace").upper() if words else ""
            if verb in ("STARTTLS", "STLS") and not self.secure:
                self.begin_tls(verb)
            elif verb in ("AUTHENTICATE", "AUTH") and self.secure:
                self.authenticate(verb, words[2:])
            else:
                self.say(verb)
                if verb in ("LOGOUT", "QUIT"):
                    return

    def begin_tls(self, verb):
        if re.search(GO_AHEAD[self.protocol], self.say(verb)):
            # What was injected is on its way; the client may leave now, and may have left already.
            try:
                self.start_tls()
            except OSError as error:
                if error.errno != errno.ENOTCONN:
                    raise

    def authenticate(self, verb, initial):
        if not initial:
            self.say(verb)
            initial = [self.line()]
        self.response = initial[0].strip()
        if self.response:
            self.verdict("XOAUTH2", self.response)
            self.token = self.session.token.encode()
        self.say("verdict")

    def moment(self, name):
        """The answer at this moment, and whether it is the usual one."""
        name = f"tls {name}" if self.secure else name
        usual = USUAL[self.protocol]
        return self.upstream.script.get(name, usual.get(name, usual["other"]))

    def say(self, name):
        """Says what is due; returns the octets."""
        answer = self.moment(name)
        if callable(answer):
            answer = answer(self) or b""
        if answer is HANG:
            self.upstream.closing.wait(self.upstream.patience)
        if answer in (CUT, HANG):
            raise Left
        pieces = answer if isinstance(answer, tuple) else (answer,)
        for piece in pieces:
            self.raw(piece)
        return b"".join(pieces).replace(b"%T", self.tag)

    def raw(self, octets):
        forms = {b"%T": self.tag, b"%K": self.token, b"%B": self.response}
        for form, meant in forms.items():
            octets = octets.replace(form, meant)
        self._socket.sendall(octets)


class Hostile(RecordingUpstream):
    """Set `script`, and `context` for another TLS."""

    conversation = HostileConversation

    def __init__(self, world, protocol, tls="implicit"):
        super().__init__(world, tls)
        self.protocol = protocol
        self.script = {}
        # How long HANG holds a client that does not leave by itself.
        self.patience = 20


def endless(octets):
    """Without an end, as fast as it is read."""

    def flood(talk):
        while True:
            talk.raw(octets * 100)

    return flood


def drip(octets, seconds=0.2):
    """One octet at a time, and the last again and again."""

    def drop_by_drop(talk):
        for place in range(10_000):
            talk.raw(octets[min(place, len(octets) - 1):][:1])
            if talk.upstream.closing.wait(seconds):
                raise Left

    return drop_by_drop


def in_clear(octets):
    """Instead of a handshake: octets of another kind, once the client has begun with it."""

    def no_tls(talk):
        talk.raw(USUAL[talk.protocol]["STLS" if talk.protocol == "pop3" else "STARTTLS"])
        talk._fill()
        talk.raw(octets)
        while talk._fill():
            pass
        raise Left

    return no_tls
