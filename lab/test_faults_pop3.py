"""Bad days of POP3 servers. Only a wrong local password may look like one: `[AUTH]` has clients forget theirs."""

import unittest

import lab
from gateway import Account, Gateway, Server
from raw import RawPop3
from upstream import CUT, HANG
from upstream.pop3 import RecordingPop3

SETTINGS = '[deadlines]\nupstream_answer = "1s"\nfailed_login_delay = "10ms"\n'

# Faults that pass, and those that a person must look at, by the moment before the login is decided.
PASSING = {
    "greeting": (b"-ERR [SYS/TEMP] busy\r\n", b"-ERR too many connections\r\n", CUT, HANG),
    "CAPA": (CUT, HANG),
    "AUTH": (b"-ERR [SYS/TEMP] busy\r\n", b"-ERR [IN-USE] locked\r\n", CUT, HANG),
    "verdict": (
        b"-ERR [SYS/TEMP] busy\r\n", b"-ERR [IN-USE] locked\r\n", b"-ERR [LOGIN-DELAY] too soon\r\n", CUT, HANG,
    ),
}
LASTING = {
    "greeting": (b"* OK IMAP here\r\n",),
    "AUTH": (b"-ERR [SYS/PERM] no\r\n",),
    "verdict": (
        b"-ERR Authentication failure: unknown user name or bad password.\r\n", b"-ERR [AUTH] wrong\r\n",
        b"-ERR [SYS/PERM] POP3 is switched off\r\n",
    ),
}


class Case(unittest.TestCase):
    tls = "implicit"
    provider_client = "robot"

    def setUp(self):
        world = lab.world()
        self.upstream = self.enterContext(RecordingPop3(world, self.tls))
        mailbox = world.clients[self.provider_client]["mailbox"]
        self.account = Account(mailbox, self.provider_client, pop3=Server(self.upstream.port, self.tls))
        name = f"faults-pop3-{len(Gateway.all)}"
        self.gateway = self.enterContext(Gateway(world, name, [self.account], settings=SETTINGS))

    def log_in(self, client=None):
        """The reply to PASS."""
        client = client or self.enterContext(RawPop3(self.gateway.port("pop3")))
        return client.login(self.account.login, self.account.password()).split("\r\n", 1)[1]

    def logged_in(self):
        client = self.enterContext(RawPop3(self.gateway.port("pop3")))
        self.assertEqual(self.log_in(client)[:3], "+OK")
        return client


class Login(Case):
    def check(self, faults, expected):
        for moment, answers in faults.items():
            for answer in answers:
                with self.subTest(moment=moment, answer=answer):
                    self.upstream.answers = {moment: answer}
                    self.assertRegex(self.log_in(), expected)
        self.upstream.answers = {}
        self.assertEqual(self.log_in()[:3], "+OK")

    def test_passing_faults(self):
        self.check(PASSING, r"\A-ERR \[(SYS/TEMP|IN-USE)\] [^\r]+\r\n\Z")

    def test_lasting_faults(self):
        self.check(LASTING, r"\A-ERR \[SYS/(PERM|TEMP)\] [^\r]+\r\n\Z")

    def test_a_refused_token_behind_a_challenge(self):
        self.upstream.refuse, self.upstream.challenge = lambda token: True, True
        self.assertRegex(self.log_in(), r"\A-ERR \[SYS/PERM\] ")

    def test_only_a_wrong_local_password_looks_like_one(self):
        with RawPop3(self.gateway.port("pop3")) as client:
            self.assertIn("-ERR [AUTH] ", client.login(self.account.login, "wrong"))
        self.assertEqual(self.upstream.tokens, [])


class StartTls(Case):
    tls = "starttls"

    def test_no_tls_no_token(self):
        for fault in (b"-ERR not now\r\n", b"+OK begin\r\n+OK injected\r\n", b"+OK begin\r\n+", CUT, HANG):
            with self.subTest(fault=fault):
                self.upstream.answers = {"STLS": fault}
                self.assertRegex(self.log_in(), r"\A-ERR \[SYS/(PERM|TEMP)\] ")
        self.assertEqual(self.upstream.tokens, [])


class Tokens(Case):
    provider_client = "refused-pop3"

    def test_one_refusal_is_not_noticed(self):
        self.assertEqual(self.log_in()[:3], "+OK")
        self.gateway.stop()
        self.gateway.start(later=15)
        stale = self.upstream.tokens[0]
        self.upstream.refuse = lambda token: token == stale
        self.assertEqual(self.log_in()[:3], "+OK")
        self.assertEqual(lab.world().requests("refused-pop3")["asked"], 2)


class Reading(Case):
    def test_what_the_server_refuses_is_refused_in_its_words(self):
        client = self.logged_in()
        for verb in ("STAT", "RETR", "LIST", "UIDL", "DELE", "TOP"):
            self.upstream.answers = {verb: b"-ERR [SYS/TEMP] " + verb.encode() + b" later\r\n"}
            self.assertEqual(client.command(f"{verb} 1 0"), f"-ERR [SYS/TEMP] {verb} later\r\n")
        self.assertEqual(client.command("NOOP")[:3], "+OK")

    def test_the_line_drops(self):
        for verb in ("STAT", "RETR", "DELE", "QUIT"):
            with self.subTest(verb):
                client = self.logged_in()
                self.upstream.answers = {verb: CUT}
                client.send(f"{verb} 1\r\n")
                # Never good news that the server did not send.
                self.assertRegex(client.rest(), rb"\A(-ERR [^\r]*\r\n)?\Z")
                self.upstream.answers = {}
        self.assertEqual(self.logged_in().command("STAT")[:3], "+OK")

    def test_the_gateway_ends_while_the_server_thinks(self):
        client = self.logged_in()
        self.upstream.answers = {"STAT": HANG}
        self.assertEqual(client.command("NOOP")[:3], "+OK")
        client.send("STAT\r\n")
        self.assertEqual(self.gateway.stop(), 0)
        self.assertRegex(client.rest(), rb"\A(-ERR \[SYS/TEMP\] [^\r]*\r\n)?\Z")
