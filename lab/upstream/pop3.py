"""The recording server for POP3."""

from upstream import CHALLENGE, Conversation, Left, RecordingUpstream

CAPABILITIES = ("TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING")


class Pop3Conversation(Conversation):
    secure = False

    def run(self):
        self.reply("greeting", b"+OK recording\r\n")
        while line := self.line():
            verb, *arguments = line.decode("utf-8", "replace").rstrip("\r\n").split(" ")
            self.act(verb.upper())(verb.upper(), arguments)

    def act(self, verb):
        """What answers this command now."""
        always = {"CAPA": self.capa, "STLS": self.stls, "QUIT": self.quit}
        before = {"AUTH": self.auth, "USER": self.user, "PASS": self.password}
        after = {"RETR": self.retr, "TOP": self.retr, "LIST": self.list, "UIDL": self.list}
        if self.session.believed:
            return (always | after).get(verb, self.simple)
        return (always | before).get(verb, self.unknown)

    def reply(self, moment, usual):
        """Says what the test wants said at this moment, or the usual; whether it was good news."""
        answer = self.answer(moment, usual)
        self.send(answer)
        return answer.startswith(b"+")

    def unknown(self, verb, arguments):
        self.reply(verb, b"-ERR log in first\r\n")

    def capa(self, verb, arguments):
        lines = list(self.upstream.capabilities)
        if self.offers_tls():
            lines.append("STLS")
        else:
            lines.append("SASL " + " ".join(self.upstream.mechanisms))
            if self.upstream.takes_user:
                lines.append("USER")
        self.reply(verb, "".join(f"{line}\r\n" for line in ["+OK", *lines, "."]).encode())

    def offers_tls(self):
        return self.upstream.tls == "starttls" and not self.secure

    def stls(self, verb, arguments):
        if not self.offers_tls():
            self.send(b"-ERR not now\r\n")
        elif self.reply(verb, b"+OK begin\r\n"):
            self.start_tls()
            self.secure = True

    def auth(self, verb, arguments):
        mechanism, *initial = arguments
        if mechanism.upper() not in self.upstream.mechanisms:
            self.send(b"-ERR no such mechanism\r\n")
            return
        if verb in self.upstream.answers:
            self.reply(verb, None)
            return
        self.session.initial_response = bool(initial)
        believed = self.verdict(mechanism.upper(), initial[0] if initial else self.ask(b""))
        if not believed and self.session.token and self.upstream.challenge:
            self.ask(CHALLENGE)
        self.conclude(believed)

    def ask(self, challenge):
        self.send(b"+ " + challenge + b"\r\n")
        return self.line().rstrip(b"\r\n")

    def user(self, verb, arguments):
        self.session.user = " ".join(arguments)
        self.reply(verb, b"+OK go on\r\n")

    def password(self, verb, arguments):
        self.session.mechanism, self.session.token = "USER", None
        self.session.password = " ".join(arguments)
        self.conclude(self.decide())

    def conclude(self, believed):
        usual = b"+OK welcome\r\n" if believed else self.upstream.refusal
        self.recording = self.session.believed = self.reply("verdict", usual)

    def quit(self, verb, arguments):
        self.reply(verb, b"+OK bye\r\n")
        raise Left

    def simple(self, verb, arguments):
        message = self.upstream.message
        usual = {
            "STAT": b"+OK 1 %d\r\n" % len(message), "DELE": b"+OK gone\r\n", "NOOP": b"+OK\r\n", "RSET": b"+OK\r\n",
        }
        self.reply(verb, usual.get(verb, b"-ERR unknown\r\n"))

    def list(self, verb, arguments):
        one = b"%d" % len(self.upstream.message) if verb == "LIST" else b"the-only-one"
        usual = b"+OK 1 " + one + b"\r\n" if arguments else b"+OK\r\n1 " + one + b"\r\n.\r\n"
        self.reply(verb, usual)

    def retr(self, verb, arguments):
        message, cut = self.upstream.message, self.upstream.cut_after
        stuffed = b"." + message if message.startswith(b".") else message
        stuffed = stuffed.replace(b"\r\n.", b"\r\n..")
        if cut is not None:
            self.send(b"+OK here\r\n" + stuffed[:cut])
            raise Left
        end = b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n"
        self.reply(verb, b"+OK here\r\n" + stuffed + end)


class RecordingPop3(RecordingUpstream):
    """Set `refuse`, `refusal`, `challenge`, `capabilities`, `answers`, `message`, `cut_after`. The moments of
    `answers`: a verb, "greeting", "verdict" (of a login)."""

    conversation = Pop3Conversation

    def __init__(self, world, tls="implicit", mechanisms=("XOAUTH2",), takes_user=False):
        super().__init__(world, tls)
        self.mechanisms, self.takes_user = mechanisms, takes_user
        self.capabilities = list(CAPABILITIES)
        # Said to whoever is refused, behind a challenge if that is wanted.
        self.refusal = b"-ERR Authentication failure: unknown user name or bad password.\r\n"
        self.challenge = False
        # The only message.
        self.message = b"Subject: recorded\r\n\r\nHello\r\n"
        # Breaks off so many octets into a RETR.
        self.cut_after = None
