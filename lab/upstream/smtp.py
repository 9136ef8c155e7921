"""The recording server for SMTP: the gateway's upstream, and the sink behind the real servers.

The hard thing is who answers for a message: `messages` holds those that got their 250, and no others.
"""

import base64
import itertools
import re
import threading
from dataclasses import dataclass, field

from process import wait_until
from upstream import CHALLENGE, CUT, Conversation, Left, RecordingUpstream

KEYWORDS = ("PIPELINING", "SIZE 157286400", "8BITMIME", "BINARYMIME", "CHUNKING", "DSN", "SMTPUTF8", "ENHANCEDSTATUSCODES")

REPLIES = {
    "HELO": b"250 recording\r\n",
    "RSET": b"250 2.0.0 Ok\r\n",
    "NOOP": b"250 2.0.0 Ok\r\n",
    "VRFY": b"252 2.0.0 Perhaps\r\n",
    "HELP": b"214-2.0.0 Two lines\r\n214 2.0.0 of help\r\n",
    "QUIT": b"221 2.0.0 Bye\r\n",
}


@dataclass
class Message:
    """One message, without dot-stuffing."""

    sender: str
    recipients: list = field(default_factory=list)
    octets: bytes = b""
    queue_id: str = ""

    @property
    def message_id(self):
        found = re.search(rb"(?im)^message-id:\s*<([^>@]*)", self.octets)
        return found[1].decode() if found else None


class SmtpConversation(Conversation):
    secure = False
    message = None

    def run(self):
        self.reply("greeting", b"220 recording ESMTP\r\n")
        while line := self.line():
            words = line.split()
            verb = words[0].decode("ascii", "replace").upper() if words else ""
            if verb in ("MAIL", "RCPT", "DATA", "BDAT") and self.upstream.mechanisms and not self.session.believed:
                self.send(b"530 5.7.57 Client not authenticated to send mail.\r\n")
                continue
            act = {
                "EHLO": self.ehlo, "STARTTLS": self.starttls, "AUTH": self.auth,
                "MAIL": self.mail, "RCPT": self.rcpt, "DATA": self.data, "BDAT": self.bdat,
            }.get(verb, self.simple)
            act(verb, line)

    def reply(self, moment, usual, line=b""):
        """Says what the test wants said at this moment, or the usual; returns the code."""
        answer = self.answer(moment, usual, line)
        self.send(answer)
        if answer.startswith(b"421"):
            raise Left
        return int(answer[:3]) if answer[:3].isdigit() else None

    def simple(self, verb, line):
        self.reply(verb, REPLIES.get(verb, b"500 5.5.2 Unknown\r\n"), line)
        if verb == "RSET":
            self.message = None
        elif verb == "QUIT":
            raise Left

    # --- before the login ---

    def ehlo(self, verb, line):
        lines = ["recording greets you", *self.upstream.keywords]
        if self.upstream.hides_starttls:
            pass
        elif self.offers_tls():
            lines.append("STARTTLS")
        elif self.upstream.mechanisms:
            lines.append("AUTH " + " ".join(self.upstream.mechanisms))
        text = "".join(f"250-{line}\r\n" for line in lines[:-1]) + f"250 {lines[-1]}\r\n"
        self.reply(verb, text.encode(), line)

    def offers_tls(self):
        return self.upstream.tls == "starttls" and not self.secure

    def starttls(self, verb, line):
        if not self.offers_tls():
            self.send(b"503 5.5.1 Not now\r\n")
        elif self.reply(verb, b"220 2.0.0 Ready to start TLS\r\n", line) == 220:
            self.start_tls()
            self.secure = True

    def auth(self, verb, line):
        _, mechanism, *initial = line.decode().split()
        if self.session.believed:
            self.send(b"503 5.5.1 Already authenticated\r\n")
        elif mechanism.upper() not in self.upstream.mechanisms:
            self.send(b"504 5.5.4 No such mechanism\r\n")
        elif verb in self.upstream.answers:
            self.reply(verb, None, line)
        else:
            self.session.initial_response = bool(initial)
            believed = self.exchange(mechanism.upper(), initial)
            usual = b"235 2.7.0 Welcome\r\n" if believed else self.upstream.refusal
            self.recording = self.session.believed = self.reply("verdict", usual, line) == 235

    def exchange(self, mechanism, initial):
        """The SASL messages; whether they are believed."""
        session = self.session
        if mechanism == "LOGIN":
            user = initial[0] if initial else self.ask(b"VXNlcm5hbWU6")
            password = self.ask(b"UGFzc3dvcmQ6")
            session.mechanism, session.token = mechanism, None
            session.user, session.password = base64.b64decode(user).decode(), base64.b64decode(password).decode()
            return self.decide()
        believed = self.verdict(mechanism, initial[0] if initial else self.ask(b""))
        if not believed and session.token and self.upstream.challenge:
            self.ask(CHALLENGE)
        return believed

    def ask(self, challenge):
        self.send(b"334 " + challenge + b"\r\n")
        return self.line().rstrip(b"\r\n")

    # --- mail ---

    def mail(self, verb, line):
        if self.reply(verb, b"250 2.1.0 Ok\r\n", line) == 250:
            self.message = Message(address(line))

    def rcpt(self, verb, line):
        if not self.message:
            self.send(b"503 5.5.1 No sender\r\n")
        elif self.reply(verb, b"250 2.1.5 Ok\r\n", line) == 250:
            self.message.recipients.append(address(line))

    def has_recipients(self):
        """Whether a message may come; says so if not."""
        ready = self.message and self.message.recipients
        if not ready:
            self.send(b"503 5.5.1 No recipients\r\n")
        return ready

    def data(self, verb, line):
        if not self.has_recipients() or self.reply(verb, b"354 Go on\r\n", line) != 354:
            return
        # Lines are as they were sent, bare CR and LF in them; only a dot between two CRLFs ends the message.
        lines, fresh, length = [], True, 0
        while True:
            self.upstream.reading.wait()
            line = self.line()
            if fresh and line == b".\r\n":
                break
            length += len(line)
            self.cut_at(length, line)
            lines.append(line[1:] if fresh and line.startswith(b".") else line)
            fresh = line.endswith(b"\r\n")
        self.message.octets = b"".join(lines)
        self.accept()

    def bdat(self, verb, line):
        _, length, *last = line.split()
        chunk = self.octets(int(length))
        if not any(keyword == "CHUNKING" for keyword in self.upstream.keywords):
            self.send(b"502 5.5.1 No BDAT here\r\n")
            return
        if not self.has_recipients():
            return
        self.message.octets += chunk
        self.cut_at(len(self.message.octets), len(chunk) == int(length))
        if last:
            self.accept()
        else:
            self.reply(verb, b"250 2.0.0 Ok\r\n", line)

    def cut_at(self, length, came):
        """Breaks off inside a message, where the test wants it or where nothing more comes."""
        if not came or (self.upstream.cut_after is not None and length >= self.upstream.cut_after):
            raise Left

    def accept(self):
        message, self.message = self.message, None
        message.queue_id = f"Q{next(self.upstream.queue_ids):05}"
        answer = self.answer("message", f"250 2.0.0 Ok: queued as {message.queue_id}\r\n".encode())
        # In the list before the client hears of it, so that nobody who heard looks in vain.
        if answer.startswith(b"250"):
            self.upstream.messages.append(message)
        self.send(answer)
        if answer.startswith(b"421"):
            raise Left


def address(line):
    """The path in a MAIL or RCPT command."""
    return re.search(rb"<(.*?)>", line)[1].decode()


class RecordingSmtp(RecordingUpstream):
    """Set `refuse`, `refusal`, `challenge`, `keywords`, `answers`, `cut_after`. The moments of `answers`: a
    verb, "greeting", "verdict" (of a login), "message" (the final reply)."""

    conversation = SmtpConversation

    def __init__(self, world, tls="implicit", mechanisms=("XOAUTH2",)):
        """Without `mechanisms` it takes mail from anybody."""
        super().__init__(world, tls)
        self.mechanisms = mechanisms
        self.keywords = list(KEYWORDS)
        # Said to whoever is refused, behind a challenge if that is wanted.
        self.refusal = b"535 5.7.3 Authentication unsuccessful\r\n"
        self.challenge = True
        # Says nothing of STARTTLS, nor of AUTH.
        self.hides_starttls = False
        # Reads no message while this is not set.
        self.reading = threading.Event()
        self.reading.set()
        # Breaks off so many octets into a message.
        self.cut_after = None
        self.messages = []
        self.queue_ids = itertools.count()

    def __exit__(self, *arguments):
        self.reading.set()
        super().__exit__(*arguments)

    def with_id(self, message_id):
        """All accepted messages with that Message-ID."""
        return [message for message in list(self.messages) if message.message_id == message_id]

    def message(self, message_id):
        """Waits for the message with that Message-ID."""
        return wait_until(lambda: self.with_id(message_id), f"the message {message_id}")[0]
