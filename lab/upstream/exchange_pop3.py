"""POP3 as Exchange Online speaks it. AUTH comes in two lines; in one it fails there, too."""

from upstream import Left
from upstream.pop3 import Pop3Conversation, RecordingPop3

GREETING = b"+OK The Microsoft Exchange POP3 service is ready. [RgBSADAAUAAyADgAMQBDAEEAMAAxADAAOQA=]\r\n"
REFUSAL = b"-ERR Authentication failure: unknown user name or bad password.\r\n"

# What a login gets in place of its +OK, by the name of a State.
VERDICTS = {
    "REFUSED": REFUSAL, "NOT_CONNECTED": REFUSAL,
    "UNAVAILABLE": b"-ERR Server Unavailable. 21\r\n",
    "BUSY": b"-ERR [SYS/TEMP] Server busy, try again later.\r\n",
    "THROTTLED": b"-ERR [SYS/TEMP] Connection limit exceeded.\r\n",
}


class ExchangePop3Conversation(Pop3Conversation):
    mailbox = None

    def run(self):
        self.upstream.answers.setdefault("greeting", GREETING)
        super().run()

    def capa(self, verb, arguments):
        lines = ["+OK", "TOP", "UIDL", "STLS"] if self.offers_tls() else ["+OK", "TOP", "UIDL", "SASL PLAIN XOAUTH2", "USER"]
        self.send("".join(f"{line}\r\n" for line in [*lines, "."]))

    def act(self, verb):
        if self.session.believed:
            after = {"STAT": self.stat, "LIST": self.list, "UIDL": self.list, "RETR": self.retr, "TOP": self.retr}
            return ({"CAPA": self.capa, "QUIT": self.quit} | after).get(verb, self.simple)
        return super().act(verb)

    def auth(self, verb, arguments):
        mechanism, *initial = arguments or [""]
        if mechanism.upper() != "XOAUTH2" or initial:
            self.send(b"-ERR Protocol error. 18\r\n")
            return
        self.send(b"+\r\n")
        self.session.initial_response = False
        believed = self.verdict("XOAUTH2", self.line().rstrip(b"\r\n"))
        state = self.upstream.exchange.judge("pop3", self.session.user, self.session.token).name if believed else "REFUSED"
        if state == "SILENT":
            self.upstream.closing.wait()
            raise Left
        self.session.believed = self.recording = state not in VERDICTS
        if state in VERDICTS:
            self.send(VERDICTS[state])
            return
        self.mailbox = self.upstream.exchange.find(self.session.user)
        # A maildrop is what it was at the login.
        self.maildrop, self.gone = list(self.mailbox.messages), set()
        self.send(b"+OK User successfully authenticated.\r\n")

    def password(self, verb, arguments):
        self.send(b"-ERR Logon failure: unknown user name or bad password.\r\n")

    def kept(self):
        return [(number, mail) for number, mail in enumerate(self.maildrop, 1) if number not in self.gone]

    def stat(self, verb, arguments):
        kept = self.kept()
        self.send(b"+OK %d %d\r\n" % (len(kept), sum(len(mail.octets) for _, mail in kept)))

    def one(self, arguments):
        """The message of that number; says so where there is none."""
        found = dict(self.kept()).get(int(arguments[0])) if arguments and arguments[0].isdigit() else None
        if found is None:
            self.send(b"-ERR The specified message is out of range.\r\n")
        return found

    def list(self, verb, arguments):
        about = lambda mail: len(mail.octets) if verb == "LIST" else mail.uid
        if arguments:
            if (mail := self.one(arguments)) is not None:
                self.send(f"+OK {arguments[0]} {about(mail)}\r\n")
            return
        self.send("+OK\r\n" + "".join(f"{number} {about(mail)}\r\n" for number, mail in self.kept()) + ".\r\n")

    def retr(self, verb, arguments):
        if (mail := self.one(arguments)) is None:
            return
        octets = mail.octets if mail.octets.endswith(b"\r\n") else mail.octets + b"\r\n"
        if verb == "TOP":
            head, _, body = octets.partition(b"\r\n\r\n")
            lines = body.splitlines(keepends=True)[:int(arguments[1])]
            octets = head + b"\r\n\r\n" + b"".join(lines)
        stuffed = (b"\r\n" + octets).replace(b"\r\n.", b"\r\n..")[2:]
        self.send(b"+OK\r\n" + stuffed + b".\r\n")

    def simple(self, verb, arguments):
        if verb == "DELE" and (mail := self.one(arguments)) is not None:
            self.gone.add(int(arguments[0]))
            self.send(b"+OK\r\n")
        elif verb in ("NOOP", "RSET"):
            self.gone = set() if verb == "RSET" else self.gone
            self.send(b"+OK\r\n")
        elif verb != "DELE":
            self.send(b"-ERR Protocol error. 14\r\n")

    def quit(self, verb, arguments):
        if self.session.believed:
            with self.mailbox.lock:
                gone = [mail for number, mail in enumerate(self.maildrop, 1) if number in self.gone]
                self.mailbox.messages[:] = [mail for mail in self.mailbox.messages if mail not in gone]
        self.send(b"+OK Microsoft Exchange Server POP3 server signing off.\r\n")
        raise Left


class ExchangePop3(RecordingPop3):
    conversation = ExchangePop3Conversation

    def __init__(self, world, exchange, tls="implicit"):
        super().__init__(world, tls)
        self.exchange = exchange
