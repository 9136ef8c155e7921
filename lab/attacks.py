"""What the tests of attacks share: one gateway for all cases of a table, and the judgement on each case.

The hard thing is that nothing may be overlooked: a case is judged by all that the client heard, all that the
server was told in clear, and what the log says, never by the one reply alone.
"""

import re
import unittest

import lab
from gateway import PROTOCOLS, Account, Gateway, Server
from raw import RawImap, RawPop3, RawSmtp
from upstream.hostile import HARMLESS, Hostile
from world import encodings

SETTINGS = '[deadlines]\nupstream_answer = "1s"\nhandshake = "1s"\nfailed_login_delay = "10ms"\n'
CLIENTS = {"imap": RawImap, "pop3": RawPop3, "smtp": RawSmtp}
# What a client takes for a fault that passes, line for line. An alert may stand before it in IMAP.
PASSING = {
    "imap": r"(?:\* NO \[ALERT\] [ -~]+\r\n)?L1 NO \[(UNAVAILABLE)\] [ -~]+\r\n",
    "pop3": r"-ERR \[(SYS/TEMP)\] [ -~]+\r\n",
    "smtp": r"(454 4\.7\.0) [ -~]+\r\n",
}
# A fault that stays until somebody has looked; still no wrong password.
LASTING = {
    "imap": r"(?:\* NO \[ALERT\] [ -~]+\r\n)?L1 NO \[(UNAVAILABLE|CONTACTADMIN|AUTHORIZATIONFAILED)\] [ -~]+\r\n",
    "pop3": r"-ERR \[(SYS/TEMP|SYS/PERM)\] [ -~]+\r\n",
    "smtp": r"(454 4\.7\.0) [ -~]+\r\n",
}
WELCOME = {"imap": r"L1 OK [ -~]+\r\n", "pop3": r"\+OK[ -~]*\r\n", "smtp": r"235 [ -~]+\r\n"}
# What no client may hear of a server that has not proved who it is.
MARK = "PHISH"


class Attacks(unittest.TestCase):
    """One hostile server for each protocol behind one gateway; a subclass says whether TLS comes first."""

    tls = "implicit"
    settings = SETTINGS
    server_settings = {}
    known = {}

    @classmethod
    def setUpClass(cls):
        world = lab.world()
        cls.servers = {
            protocol: cls.enterClassContext(Hostile(world, protocol, cls.tls)) for protocol in PROTOCOLS
        }
        cls.account = Account("alice@lab.test", "robot", **{
            protocol: Server(server.port, cls.tls, settings=cls.server_settings)
            for protocol, server in cls.servers.items()
        })
        name = f"attacks-{cls.__name__.lower()}"
        cls.gateway = cls.enterClassContext(Gateway(world, name, [cls.account], settings=cls.settings))
        cls.greet()

    @classmethod
    def tearDownClass(cls):
        """Whatever came, a server that behaves is served."""
        cls.greet()

    @classmethod
    def greet(cls):
        """One login at each server that behaves. The gateway has its token by then, and we know its forms."""
        one = cls()
        for protocol in cls.servers:
            one.let_in(protocol, {})
        one.assertTrue(one.forms())

    def attempt(self, protocol, script):
        """One login while the server plays this; what the client heard, what the log says, the server's sessions."""
        server = self.servers[protocol]
        server.script = script
        sessions = len(server.sessions)
        with open(self.gateway.log_path, "rb") as log, CLIENTS[protocol](self.gateway.port(protocol)) as client:
            log.seek(0, 2)
            heard = client.login(self.account.login, self.account.password())
            if protocol == "pop3":
                self.assertEqual(heard[:3], "+OK")
                heard = heard.split("\r\n", 1)[1]
            said = log.read().decode("utf-8", "replace")
        return heard, said, server.sessions[sessions:]

    def refused(self, protocol, script, expected=PASSING, blamed="mail server", mark=MARK):
        """The client hears of a passing fault, the log whose it is, and nobody hears the token."""
        heard, said, sessions = self.attempt(protocol, script)
        self.assertRegex(heard, rf"\A{expected[protocol]}\Z")
        if mark:
            self.assertNotIn(mark, heard)
        self.assertRegex(said, rf"WARN [^\n]*login not possible: [^\n]*{blamed}[^\n]*\n")
        self.judge(protocol, sessions, heard, said)
        return heard, said, sessions

    def let_in(self, protocol, script):
        """The attack fails because it changes nothing."""
        heard, said, sessions = self.attempt(protocol, script)
        self.assertRegex(heard, rf"\A{WELCOME[protocol]}\Z")
        self.assertNotIn(MARK, heard)
        self.judge(protocol, sessions, heard, said)

    def judge(self, protocol, sessions, heard, said):
        for session in sessions:
            clear = bytes(session.clear)
            # From the first octet of a handshake on it is TLS that nobody has answered.
            spoken = re.split(rb"\x16\x03[\x00-\x04]", clear)[0]
            self.assertRegex(spoken, rb"\A" + HARMLESS[protocol] + rb"\Z")
        for form in self.forms():
            self.assertNotIn(form, heard)
            self.assertNotIn(form, said)
            for session in sessions:
                self.assertNotIn(form.encode(), session.clear)
        # A log line is a line, whatever a peer says.
        self.assertNotRegex(said, r"[\x00-\x08\x0b-\x1f\x7f-\x9f]|FORGED\n")

    def forms(self):
        """Of all tokens that any of the servers was shown, as clients or logs could show them."""
        tokens = {token for server in self.servers.values() for token in server.tokens}
        for token in tokens - self.known.keys():
            # Words are cut short, so each end is looked for.
            self.known[token] = {end for form in encodings(token) for end in (form[:60], form[-60:])}
        return set().union(*self.known.values())
