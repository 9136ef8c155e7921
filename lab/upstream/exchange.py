"""Exchange Online, scripted: what it says over IMAP, POP3 and SMTP, with mailboxes in memory.

The hard thing is which "no" a mistake gets, for that is all that a user sees: a token is judged by its claims,
as Exchange does, and each [State] of a mailbox has the very words that were captured of it. The conversations
are in `exchange_imap`, `exchange_pop3` and `exchange_smtp`.
"""

import enum
import threading
import time
from dataclasses import dataclass, field

from upstream.directory import APP_ONLY, DELEGATED, OUTLOOK, claims_of
from upstream.exchange_imap import ExchangeImap
from upstream.exchange_pop3 import ExchangePop3
from upstream.exchange_smtp import ExchangeSmtp


class State(enum.Enum):
    """What is the matter with a mailbox in one protocol, whatever the token says."""

    OK = "ok"
    REFUSED = "the token is refused"
    NOT_CONNECTED = "authenticated but not connected"
    THROTTLED = "too many connections"
    UNAVAILABLE = "no server behind the proxy answers"
    BUSY = "not now, with a code"
    SILENT = "nothing comes after the login"
    # IMAP.
    TOKEN_ENDED = "the session ends with the token"
    # SMTP.
    OFF_FOR_TENANT = "SMTP AUTH is disabled for the tenant"
    OFF_FOR_MAILBOX = "SMTP AUTH is disabled for the mailbox"
    SECURITY_DEFAULTS = "security defaults"
    NO_PASSWORDS = "no basic authentication"
    SEND_AS_DENIED = "may not send as this sender"
    NO_SEND_AS = "may not send as this sender, in older words"
    THREAD_LIMIT = "too many mails at once"


@dataclass
class Mailbox:
    """One of the tenant's."""

    address: str
    # Users and applications (their object ids) that may open it beside its owner.
    full_access: set = field(default_factory=set)
    # Addresses that it may send as.
    send_as: set = field(default_factory=set)
    # What `Set-CASMailbox` has switched off: "imap", "pop3".
    off: set = field(default_factory=set)
    states: dict = field(default_factory=dict)
    full: bool = False
    messages: list = field(default_factory=list)
    # Called with each new message's number, for those that idle.
    listeners: list = field(default_factory=list)

    def __post_init__(self):
        self.lock = threading.RLock()
        self.next_uid = 1

    def state(self, protocol):
        return self.states.get(protocol, State.OK)

    def deliver(self, octets, flags=()):
        with self.lock:
            kept = Mail(self.next_uid, octets, set(flags), time.time())
            self.next_uid += 1
            self.messages.append(kept)
            for listener in list(self.listeners):
                listener(len(self.messages))
            return kept


@dataclass
class Mail:
    """One message of a mailbox."""

    uid: int
    octets: bytes
    flags: set
    came: float


class Exchange:
    """`with Exchange(world) as exchange:`; three servers over the same mailboxes. `principals` are the service
    principals that `New-ServicePrincipal` has made known: application's id -> object id."""

    def __init__(self, world, certificate=None):
        self.mailboxes, self.principals = {}, {}
        self.imap, self.pop3, self.smtp = ExchangeImap(world, self), ExchangePop3(world, self), ExchangeSmtp(world, self)
        self._servers = [self.imap, self.pop3, self.smtp]
        for server in self._servers if certificate else ():
            server.context.load_cert_chain(*certificate)

    def __enter__(self):
        self._entered = [server.__enter__() for server in self._servers]
        return self

    def __exit__(self, *exception):
        for mailbox in self.mailboxes.values():
            mailbox.listeners.clear()
        for server in self._servers:
            server.__exit__(*exception)

    def mailbox(self, address, **settings):
        """The mailbox of that address, made when it is first asked for."""
        found = self.mailboxes.setdefault(address.lower(), Mailbox(address))
        for name, value in settings.items():
            setattr(found, name, value)
        return found

    def find(self, user):
        return self.mailboxes.get((user or "").lower())

    def judge(self, protocol, user, token):
        """What becomes of a login: OK, REFUSED, NOT_CONNECTED, or what the mailbox's state says."""
        claims, mailbox = claims_of(token), self.find(user)
        if claims is None or not self._is_for(protocol, claims):
            return State.REFUSED
        owner = claims["oid"] if claims.get("idtyp") == "app" else claims["upn"]
        if mailbox is None:
            return State.NOT_CONNECTED
        if owner.lower() not in {mailbox.address.lower()} | {name.lower() for name in mailbox.full_access}:
            return State.NOT_CONNECTED
        return State.REFUSED if protocol in mailbox.off else mailbox.state(protocol)

    def _is_for(self, protocol, claims):
        """Whether the token is for Exchange, for this protocol, and of somebody that it knows."""
        if claims["aud"] != OUTLOOK or claims["exp"] <= time.time():
            return False
        if claims.get("idtyp") == "app":
            known = self.principals.get(claims["appid"]) == claims["oid"]
            return known and APP_ONLY[protocol] in claims.get("roles", ())
        return DELEGATED[protocol] in claims.get("scp", "").split()

    def deliver(self, recipient, octets):
        """Into the mailbox, if it is one of ours; None where it has no room."""
        mailbox = self.find(recipient)
        if mailbox is None:
            return True
        return None if mailbox.full else mailbox.deliver(octets)
