"""IMAP as Exchange Online speaks it: its greeting, its capabilities and its words, and enough of RFC 3501 for curl,
imaplib and a check that looks for its test mail.

The hard thing is a login that succeeds and means nothing: after `OK AUTHENTICATE completed.` every command may be
answered `BAD User is authenticated but not connected.`
"""

import email
import email.policy
import re
import select
import socket
import time

from upstream import HANG, Left, RecordingUpstream
from upstream.imap import ImapConversation

GREETING = ("* OK The Microsoft Exchange IMAP4 service is ready. "
            "[RgBSADIAUAAyADgAMQBDAEEAMAAxADAAOQAuAEYAUgBBAFAAMgA4ADEALgBQAFIATwBEAC4ATwBVAFQATABPAE8ASwAuAEMATwBNAA==]\r\n")
BEFORE = "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"
AFTER = ("IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CLIENTACCESSRULES "
         "CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE LITERAL+")
# As seen in September 2026, for part of the tenants.
GREETING_2026 = ("* OK Microsoft Exchange IMAP4 service ready. 5f1cc4c5-2a4f-4d3c-9d2e-0d6b1f0a7c11 "
                 "(tcpproxy/15.21.0406.000 BACKENDAUTHENTICATE) [WgBSADAAUAAyADcAOABDAEEAMAAxADcAMwA=]\r\n")
BEFORE_2026 = "IMAP4 IMAP4rev1 AUTH=XOAUTH2 LOGINDISABLED SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"
AFTER_2026 = ("IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT ENABLE IMAP4rev2 "
              "CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE BACKENDAUTHENTICATE-IR CHILDREN "
              "IDLE NAMESPACE LITERAL+")

# What a login gets in place of its OK, by the name of a State.
VERDICTS = {
    "REFUSED": "{tag} NO AUTHENTICATE failed.\r\n",
    "UNAVAILABLE": "{tag} BAD Server Unavailable. 15\r\n",
    "BUSY": "{tag} NO [UNAVAILABLE] Server busy, try again later.\r\n",
    "THROTTLED": "* BYE Connection closed. 15\r\n",
}
ATOM = re.compile(rb'\s*(?:"((?:[^"\\]|\\.)*)"|(\(.*\))|(\{\d+\+?\}\r\n)|([^\s()]+))', re.S)


class ExchangeImapConversation(ImapConversation):
    mailbox = None
    connected = True
    selected = False
    known = 0

    def run(self):
        self.send(self.answer_at("greeting", self.upstream.greeting))
        while (command := self.command()) is not None:
            tag, _, rest = command.rstrip(b"\r\n").partition(b" ")
            words = rest.split(b" ")
            uid = words[0].upper() == b"UID" and len(words) > 1
            name = words[1 if uid else 0].upper().decode("ascii", "replace")
            arguments = rest.split(b" ", 2 if uid else 1)[2 if uid else 1:]
            self.act(tag.decode("ascii", "replace"), name, arguments[0] if arguments else b"", uid)

    def answer_at(self, moment, usual):
        # ImapConversation has an `answer` of its own.
        return super(ImapConversation, self).answer(moment, usual)

    def act(self, tag, name, rest, uid):
        if name == "LOGOUT":
            self.send(f"* BYE Microsoft Exchange Server IMAP4 server signing off.\r\n{tag} OK LOGOUT completed.\r\n")
            raise Left
        if self.mailbox and not self.connected:
            self.send(f"{tag} BAD User is authenticated but not connected.\r\n* BYE Connection closed. 14\r\n")
            raise Left
        anywhere = {"CAPABILITY": self.capability, "NOOP": self.noop, "ID": self.identify}
        before = {"AUTHENTICATE": self.log_in, "LOGIN": self.refuse_password}
        after = {
            "SELECT": self.select, "EXAMINE": self.select, "LIST": self.list, "LSUB": self.list, "STATUS": self.status,
            "NAMESPACE": self.namespace, "APPEND": self.append, "IDLE": self.idle, "CREATE": self.done, "SUBSCRIBE": self.done,
        }
        in_mailbox = {
            "SEARCH": self.search, "FETCH": self.fetch, "STORE": self.store, "EXPUNGE": self.expunge,
            "CHECK": self.noop, "CLOSE": self.unselect, "UNSELECT": self.unselect,
        }
        known = anywhere | (after if self.mailbox else before) | (in_mailbox if self.selected else {})
        if name not in known:
            self.send(f"{tag} BAD Command received in Invalid state.\r\n")
            return
        known[name](tag, name, rest, *([uid] if name in ("SEARCH", "FETCH", "STORE", "EXPUNGE") else []))
        self.recording = self.recording or (self.mailbox is not None and name == "CAPABILITY")

    def done(self, tag, name, rest=b""):
        self.send(f"{tag} OK {name} completed.\r\n")

    def capability(self, tag, name, rest):
        self.send(f"* CAPABILITY {self.upstream.after if self.mailbox else self.upstream.before}\r\n")
        self.done(tag, name)

    def identify(self, tag, name, rest):
        self.send('* ID ("name" "Microsoft.Exchange.Imap4.Imap4Server" "version" "15.20")\r\n')
        self.done(tag, name)

    def noop(self, tag, name, rest):
        self.tell_of_new()
        self.done(tag, name)

    # --- the login ---

    def refuse_password(self, tag, name, rest):
        self.send(f"{tag} NO LOGIN failed.\r\n")

    def log_in(self, tag, name, rest):
        mechanism, *initial = rest.split(b" ")
        if mechanism.upper() != b"XOAUTH2":
            self.send(f"{tag} NO AUTHENTICATE failed.\r\n")
            return
        if not initial:
            self.send("+\r\n")
            initial = [self.line().rstrip()]
        if not self.verdict("XOAUTH2", initial[0]):
            self.send(f"{tag} NO AUTHENTICATE failed.\r\n")
            return
        state = self.upstream.exchange.judge("imap", self.session.user, self.session.token).name
        if state == "SILENT":
            self.upstream.closing.wait()
            raise Left
        if state in VERDICTS:
            self.session.believed = False
            self.send(VERDICTS[state].format(tag=tag))
            if state == "THROTTLED":
                raise Left
            return
        self.connected = state != "NOT_CONNECTED"
        self.mailbox = self.upstream.exchange.find(self.session.user) or self.upstream.nobody
        self.send(f"{tag} OK AUTHENTICATE completed.\r\n")

    # --- mailboxes ---

    def tell_of_new(self):
        if self.mailbox.states.get("imap") and self.mailbox.states["imap"].name == "TOKEN_ENDED":
            self.send("* BYE Session invalidated - AccessTokenExpired\r\n")
            raise Left
        count = len(self.mailbox.messages)
        if self.selected and count != self.known:
            self.known = count
            self.send(f"* {count} EXISTS\r\n")

    def select(self, tag, name, rest):
        words = atoms(rest)
        if not words or words[0].upper() != b"INBOX":
            self.send(f"{tag} NO {words[0].decode() if words else ''} doesn't exist.\r\n")
            return
        mailbox = self.mailbox
        with mailbox.lock:
            self.selected, self.known = True, len(mailbox.messages)
            self.send(
                f"* {self.known} EXISTS\r\n* 0 RECENT\r\n* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent)\r\n"
                "* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent)] Permanent flags\r\n"
                f"* OK [UIDVALIDITY 14] UIDVALIDITY value\r\n* OK [UIDNEXT {mailbox.next_uid}] The next unique identifier value\r\n"
                f"{tag} OK [READ-{'WRITE' if name == 'SELECT' else 'ONLY'}] {name} completed.\r\n"
            )

    def unselect(self, tag, name, rest):
        self.selected = False
        self.done(tag, name)

    def list(self, tag, name, rest):
        self.send(f'* {name} (\\Marked \\HasNoChildren) "/" INBOX\r\n')
        self.done(tag, name)

    def namespace(self, tag, name, rest):
        self.send('* NAMESPACE (("" "/")) NIL NIL\r\n')
        self.done(tag, name)

    def status(self, tag, name, rest):
        messages = self.mailbox.messages
        unseen = sum("\\Seen" not in mail.flags for mail in messages)
        known = {
            "MESSAGES": len(messages), "RECENT": 0, "UIDNEXT": self.mailbox.next_uid, "UIDVALIDITY": 14, "UNSEEN": unseen,
        }
        asked = re.search(r"\((.*)\)", rest.decode())[1].upper().split()
        self.send(f"* STATUS INBOX ({' '.join(f'{item} {known[item]}' for item in asked)})\r\n")
        self.done(tag, name)

    def append(self, tag, name, rest):
        octets = re.search(rb"\{(\d+)\+?\}\r\n(.*)\Z", rest, re.S)
        if self.mailbox.full:
            self.send(f"{tag} NO [OVERQUOTA] The message store has reached its size limit.\r\n")
            return
        kept = self.mailbox.deliver(octets[2][:int(octets[1])])
        self.tell_of_new()
        self.send(f"{tag} OK [APPENDUID 14 {kept.uid}] APPEND completed.\r\n")

    def idle(self, tag, name, rest):
        here, there = socket.socketpair()
        wake = lambda number: there.send(b"!")
        self.mailbox.listeners.append(wake)
        try:
            self.send("+ IDLE accepted, awaiting DONE command.\r\n")
            while True:
                self.tell_of_new()
                if self._buffer or (hasattr(self._socket, "pending") and self._socket.pending()):
                    break
                ready, _, _ = select.select([self._socket, here], [], [])
                if here in ready:
                    here.recv(1)
                if self._socket in ready:
                    break
        finally:
            if wake in self.mailbox.listeners:
                self.mailbox.listeners.remove(wake)
            here.close()
            there.close()
        if self.line().strip().upper() != b"DONE":
            raise Left
        self.done(tag, name)

    # --- messages ---

    def numbered(self, text, uid):
        """(number, message) of a sequence set."""
        found = list(enumerate(self.mailbox.messages[:self.known], 1))
        last = (found[-1][1].uid if uid else found[-1][0]) if found else 0
        wanted = []
        for part in text.split(","):
            ends = [last if end == "*" else int(end) for end in part.split(":")]
            wanted.append((min(ends), max(ends)))
        for number, mail in found:
            key = mail.uid if uid else number
            if any(low <= key <= high for low, high in wanted):
                yield number, mail

    def search(self, tag, name, rest, uid):
        self.tell_of_new()
        words = [word.decode("utf-8", "replace") for word in atoms(rest)]
        if words[:1] and words[0].upper() == "CHARSET":
            del words[:2]
        hits = []
        for number, mail in enumerate(self.mailbox.messages[:self.known], 1):
            keys = list(words)
            if all(self.matches(keys, number, mail) for _ in iter(lambda: bool(keys), False)):
                hits.append(mail.uid if uid else number)
        self.send("* SEARCH" + "".join(f" {hit}" for hit in hits) + "\r\n")
        self.done(tag, name)

    def matches(self, keys, number, mail):
        """Takes one search key off the list."""
        key = keys.pop(0)
        name, text = key.upper(), mail.octets.decode("utf-8", "replace").lower()
        head = email.message_from_bytes(mail.octets, policy=email.policy.default)
        if name == "NOT":
            return not self.matches(keys, number, mail)
        if name == "OR":
            return any([self.matches(keys, number, mail), self.matches(keys, number, mail)])
        if name == "HEADER":
            field, value = keys.pop(0), keys.pop(0)
            return any(value.lower() in str(it).lower() for it in head.get_all(field, []))
        if name in ("SUBJECT", "FROM", "TO", "CC"):
            return keys.pop(0).lower() in str(head.get(name, "")).lower()
        if name in ("TEXT", "BODY"):
            return keys.pop(0).lower() in text
        if name in ("SEEN", "UNSEEN", "DELETED", "UNDELETED", "FLAGGED", "UNFLAGGED"):
            flag = "\\" + name.removeprefix("UN").capitalize()
            return (flag in mail.flags) != name.startswith("UN")
        if name in ("SINCE", "SENTSINCE"):
            keys.pop(0)
            return True
        if name == "UID":
            return any(mail is found for _, found in self.numbered(keys.pop(0), True))
        if re.fullmatch(r"[\d:,*]+", name):
            return any(mail is found for _, found in self.numbered(name, False))
        return name in ("ALL", "NEW", "RECENT")

    def fetch(self, tag, name, rest, uid):
        wanted, _, items = rest.decode().partition(" ")
        items = re.findall(r"[A-Z0-9.]+(?:\[[^\]]*\])?(?:<[\d.]+>)?", items.upper())
        if items == ["FAST"]:
            items = ["FLAGS", "INTERNALDATE", "RFC822.SIZE"]
        if uid and "UID" not in items:
            items.append("UID")
        for number, mail in self.numbered(wanted, uid):
            self.send(f"* {number} FETCH (".encode() + b" ".join(item(it, mail) for it in items) + b")\r\n")
        self.done(tag, name)

    def store(self, tag, name, rest, uid):
        wanted, how, flags = rest.decode().split(" ", 2)
        named = set(flags.strip("()").split())
        for number, mail in self.numbered(wanted, uid):
            mail.flags = mail.flags | named if how[0] == "+" else mail.flags - named if how[0] == "-" else named
            if ".SILENT" not in how.upper():
                self.send(f"* {number} FETCH (FLAGS ({' '.join(sorted(mail.flags))}))\r\n")
        self.done(tag, name)

    def expunge(self, tag, name, rest, uid):
        with self.mailbox.lock:
            for number in range(self.known, 0, -1):
                if "\\Deleted" in self.mailbox.messages[number - 1].flags:
                    del self.mailbox.messages[number - 1]
                    self.known -= 1
                    self.send(f"* {number} EXPUNGE\r\n")
        self.done(tag, name)


def item(name, mail):
    """One item of a FETCH with its value."""
    head, _, body = mail.octets.partition(b"\r\n\r\n")
    head += b"\r\n\r\n"
    if name == "UID":
        return b"UID %d" % mail.uid
    if name == "FLAGS":
        return f"FLAGS ({' '.join(sorted(mail.flags))})".encode()
    if name == "RFC822.SIZE":
        return b"RFC822.SIZE %d" % len(mail.octets)
    if name == "INTERNALDATE":
        return b'INTERNALDATE "' + time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(mail.came)).encode() + b'"'
    section = re.fullmatch(r"(?:BODY|BODY\.PEEK)\[(.*?)\](?:<(\d+)\.(\d+)>)?", name)
    if section is None:
        octets = {"RFC822": mail.octets, "RFC822.HEADER": head, "RFC822.TEXT": body}.get(name)
        return name.encode() + (b" NIL" if octets is None else b" {%d}\r\n" % len(octets) + octets)
    what = section[1]
    octets = {"": mail.octets, "TEXT": body, "1": body, "HEADER": head}.get(what)
    if octets is None:
        octets = fields(head, what)
    if name.startswith("BODY["):
        mail.flags.add("\\Seen")
    start = b""
    if section[2]:
        octets, start = octets[int(section[2]):][:int(section[3])], b"<%d>" % int(section[2])
    return b"BODY[" + what.encode() + b"]" + start + b" {%d}\r\n" % len(octets) + octets


def fields(head, what):
    """HEADER.FIELDS (…) and HEADER.FIELDS.NOT (…)."""
    wanted = {name.encode() for name in re.search(r"\((.*)\)", what)[1].split()}
    lines = re.findall(rb"[^\r\n]+\r\n(?:[ \t][^\r\n]*\r\n)*", head)
    keep = [line for line in lines if (line.split(b":")[0].upper() in wanted) != what.startswith("HEADER.FIELDS.NOT")]
    return b"".join(keep) + b"\r\n"


def atoms(rest):
    """Arguments: atoms, quoted strings and literals."""
    found, at = [], 0
    while match := ATOM.match(rest, at):
        at = match.end()
        quoted, listed, literal, atom = match.groups()
        if literal:
            length = int(literal.strip(b"{}+\r\n"))
            found.append(rest[at:at + length])
            at += length
        elif quoted is not None:
            found.append(re.sub(rb"\\(.)", rb"\1", quoted))
        else:
            found.append(atom or listed)
    return found


class ExchangeImap(RecordingUpstream):
    """Set `greeting`, `before` and `after` for its newer form."""

    conversation = ExchangeImapConversation

    def __init__(self, world, exchange):
        super().__init__(world)
        self.exchange = exchange
        self.greeting, self.before, self.after = GREETING, BEFORE, AFTER
        # Whom a login meets that names no mailbox.
        self.nobody = object()

    def as_of_2026(self):
        self.greeting, self.before, self.after = GREETING_2026, BEFORE_2026, AFTER_2026
