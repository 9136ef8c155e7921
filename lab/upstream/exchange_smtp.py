"""SMTP submission as Exchange Online speaks it: STARTTLS, AUTH XOAUTH2 in two lines, and its replies to senders that
it does not let in, or does not let send as somebody else. What it takes is delivered at once.
"""

import email
import email.utils
import time

from upstream import Left
from upstream.smtp import RecordingSmtp, SmtpConversation

HOST = "ZR0P278CA0173.outlook.office365.com"
KEYWORDS = ("SIZE 157286400", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8")
DISABLED = ("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the {}. Visit "
            "https://aka.ms/smtp_auth_disabled for more information. [" + HOST + "]\r\n")
REFUSAL = f"535 5.7.3 Authentication unsuccessful [{HOST}]\r\n"

# What a login gets in place of its 235, by the name of a State.
VERDICTS = {
    "REFUSED": REFUSAL, "NOT_CONNECTED": REFUSAL,
    "OFF_FOR_TENANT": DISABLED.format("Tenant"), "OFF_FOR_MAILBOX": DISABLED.format("Mailbox"),
    "SECURITY_DEFAULTS": "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security "
                         f"defaults policy. Contact your administrator. [{HOST}]\r\n",
    "NO_PASSWORDS": "550 5.7.30 Basic authentication is not supported for Client Submission.\r\n",
    "THROTTLED": "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more "
                 f"information. [Hostname={HOST}]\r\n",
    "UNAVAILABLE": f"451 4.7.0 Temporary server error. Please try again later. [{HOST}]\r\n",
    "BUSY": f"451 4.7.500 Server busy. Please try again later. [{HOST}]\r\n",
}
DENIED = "{}; Permanent Exception happened. SendAsDenied; {} not allowed to send as {}; STOREDRV.Submission.Exception:" \
         "SendAsDeniedException.MapiExceptionSendAsDenied. [Hostname=" + HOST + "]\r\n"


class ExchangeSmtpConversation(SmtpConversation):
    mailbox = None

    def run(self):
        self.upstream.answers.setdefault(
            "greeting", f"220 {HOST} Microsoft ESMTP MAIL Service ready at {email.utils.formatdate()}\r\n".encode()
        )
        super().run()

    def ehlo(self, verb, line):
        size, *others = self.upstream.keywords
        more = ["STARTTLS"] if self.offers_tls() else ["AUTH LOGIN XOAUTH2"]
        lines = [f"{HOST} Hello [127.0.0.1]", size, "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", *more, *others[3:]]
        self.reply(verb, "".join(f"250-{it}\r\n" for it in lines[:-1]).encode() + f"250 {lines[-1]}\r\n".encode(), line)

    def starttls(self, verb, line):
        if self.offers_tls():
            self.upstream.answers.setdefault(verb, b"220 2.0.0 SMTP server ready\r\n")
        super().starttls(verb, line)

    def auth(self, verb, line):
        _, mechanism, *initial = line.decode().split()
        if self.session.believed:
            self.send(b"503 5.5.2 Already authenticated\r\n")
        elif self.offers_tls():
            self.send(b"530 5.7.0 Must issue a STARTTLS command first\r\n")
        elif mechanism.upper() == "LOGIN":
            self.ask(b"VXNlcm5hbWU6")
            self.ask(b"UGFzc3dvcmQ6")
            self.send(VERDICTS["NO_PASSWORDS"])
        elif mechanism.upper() != "XOAUTH2":
            self.send(b"504 5.7.4 Unrecognized authentication type\r\n")
        else:
            self.session.initial_response = bool(initial)
            self.log_in(initial[0] if initial else self.ask(b""))

    def log_in(self, response):
        if response == b"*":
            self.send(REFUSAL)
            return
        believed = self.verdict("XOAUTH2", response)
        state = self.upstream.exchange.judge("smtp", self.session.user, self.session.token).name if believed else "REFUSED"
        if state == "SILENT":
            self.upstream.closing.wait()
            raise Left
        self.session.believed = self.recording = state not in VERDICTS
        if state in VERDICTS:
            self.send(VERDICTS[state])
            return
        self.mailbox = self.upstream.exchange.find(self.session.user)
        self.send(b"235 2.7.0 Authentication successful\r\n")

    def accept(self):
        """The verdict on a mail; one for somebody here is in the mailbox before the sender hears of it."""
        state = self.mailbox.state("smtp").name
        sender = email.utils.parseaddr(str(email.message_from_bytes(self.message.octets)["From"]))[1]
        allowed = {address.lower() for address in (self.mailbox.address, *self.mailbox.send_as)}
        foreign = any(address.lower() not in allowed for address in (sender, self.message.sender) if address)
        denied = DENIED.format("554 5.2.252 SendAsDenied", self.mailbox.address, sender)
        if state == "NO_SEND_AS":
            denied = "550 5.7.60 SMTP; Client does not have permissions to send as this sender\r\n"
        if foreign or state in ("SEND_AS_DENIED", "NO_SEND_AS"):
            self.refuse_mail(denied)
        elif state == "THREAD_LIMIT":
            self.refuse_mail(f"432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded [Hostname={HOST}]\r\n")
        elif self.mailbox.full:
            self.refuse_mail("554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException."
                             f"MapiExceptionShutoffQuotaExceeded [Hostname={HOST}]\r\n")
        else:
            trace = f"Received: from {HOST} with Microsoft SMTP Server; {email.utils.formatdate(time.time())}\r\n"
            if "message" not in self.upstream.answers:
                for recipient in self.message.recipients:
                    self.upstream.exchange.deliver(recipient, trace.encode() + self.message.octets)
            super().accept()

    def refuse_mail(self, reply):
        self.message = None
        self.send(reply)


class ExchangeSmtp(RecordingSmtp):
    conversation = ExchangeSmtpConversation

    def __init__(self, world, exchange, tls="starttls"):
        super().__init__(world, tls)
        self.exchange = exchange
        self.keywords = list(KEYWORDS)
