"""The recording server for IMAP."""

import re

from upstream import CHALLENGE, Conversation, RecordingUpstream

CAPABILITIES = "IMAP4rev1 SASL-IR IDLE LITERAL+ UIDPLUS"
LITERAL = re.compile(rb"\{(\d+)(\+?)\}\r\n\Z")


class ImapConversation(Conversation):
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
        if not self.verdict("XOAUTH2", initial[0].rstrip()):
            self.send(b"+ " + CHALLENGE + b"\r\n")
            self.line()
            self.send(tag + b" NO [AUTHENTICATIONFAILED] AUTHENTICATE failed.\r\n")
            return None
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
            whole += self.octets(int(literal[1]))


class RecordingImap(RecordingUpstream):
    """Set `refuse`, `message`, `cut_after`."""

    conversation = ImapConversation

    def __init__(self, world, tls="implicit"):
        super().__init__(world, tls)
        # What FETCH sends.
        self.message = b"Subject: recorded\r\n\r\nHello\r\n"
        # Breaks off so many octets into the literal of a FETCH.
        self.cut_after = None
