"""Hostile mail servers behind a good certificate: what they can do to the client, to the log and to the gateway's
time before they have let anybody in."""

import threading

from attacks import LASTING, PASSING, Attacks
from upstream import CUT, HANG
from upstream.hostile import drip, endless

MEGABYTE = b"X-" + b"A" * 1_000_000
# Said in the place of words: it would end a line, a quotation or a code, or steer whoever reads the log.
FORGERY = b"\x1b[31m\x1b]0;owned\x07 \"] FORGED [\\ {3} \x00\x08 \xe2\x80\xae\xc2\x9b \r FORGED"
LINE_ENDS = (b"\0", b"\n", b"\r")

# Answers before the question, at each step of a login.
IMAP_EARLY = {
    "CAPABILITY": {"tls greeting": b"* OK ready\r\n* CAPABILITY IMAP4rev1 AUTH=XOAUTH2\r\nG1 OK\r\n"},
    "AUTHENTICATE": {"tls greeting": b"* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2] ready\r\n+ \r\n"},
    "the verdict": {"tls greeting": b"* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] ready\r\nG1 OK in\r\n"},
    "the verdict, with the go-ahead": {"tls AUTHENTICATE": b"+ \r\nG2 OK in\r\n"},
    "the welcome": {"tls verdict": b"%T OK in\r\n* CAPABILITY IMAP4rev1\r\nG3 OK\r\n"},
    "an error twice": {"tls verdict": b"+ e30=\r\n+ e30=\r\n%T NO\r\n"},
    "another's tag": {"tls AUTHENTICATE": b"A1 OK in\r\n"},
    "without a credential": {"tls AUTHENTICATE": b"%T OK in\r\n"},
}
POP3_EARLY = {
    "CAPA": {"tls greeting": b"+OK ready\r\n+OK\r\nSASL XOAUTH2\r\n.\r\n"},
    "AUTH": {"tls CAPA": b"+OK\r\nSASL XOAUTH2\r\n.\r\n+ \r\n"},
    "the verdict": {"tls AUTH": b"+ \r\n+OK in\r\n"},
    "without a credential": {"tls AUTH": b"+OK in\r\n"},
    "an error twice": {"tls verdict": b"+ e30=\r\n+ e30=\r\n"},
}
SMTP_EARLY = {
    "EHLO": {"tls greeting": b"220 ready\r\n250-hello\r\n250 AUTH XOAUTH2\r\n"},
    "AUTH": {"tls EHLO": b"250-hello\r\n250 AUTH XOAUTH2\r\n334 \r\n"},
    "the verdict": {"tls AUTH": b"334 \r\n235 in\r\n"},
    "without a credential": {"tls AUTH": b"235 in\r\n"},
    "an error twice": {"tls verdict": b"334 e30=\r\n334 e30=\r\n"},
}

# Without an end, too large, or no text: a fault that passes, and soon.
IMAP_BROKEN = {
    "a greeting without an end": {"tls greeting": endless(b"* OK ")},
    "greetings without an end": {"tls greeting": endless(b"* OK ready\r\n")},
    "data without an end": {"tls CAPABILITY": endless(b"* 1 EXISTS\r\n")},
    "literals without an end": {"tls CAPABILITY": endless(b"* X {0}\r\n {0}\r\n")},
    "a literal without an end": {"tls AUTHENTICATE": b"* X {99999999999999999999}\r\n"},
    "a long literal": {"tls AUTHENTICATE": b"* X {60000}\r\n" + b"x" * 60000 + b" {60000}\r\n" + b"x" * 60000},
    "challenges without an end": {"tls verdict": endless(b"+ e30=\r\n")},
    "a challenge without an end": {"tls verdict": endless(b"+ AAAA")},
    "capabilities, a megabyte": {"tls CAPABILITY": b"* CAPABILITY IMAP4rev1 %b\r\n%%T OK\r\n" % MEGABYTE},
    "capabilities in the welcome": {"tls verdict": b"%%T OK in\r\n* CAPABILITY %b\r\n" % MEGABYTE},
    **{f"{bad} in the greeting": {"tls greeting": b"* OK a" + bad + b"b\r\n" + bad} for bad in LINE_ENDS[1:2]},
    "no greeting": {"tls greeting": b"\0\0\0\0\r\n"},
    "8 bits for a greeting": {"tls greeting": b"\xff\xfe\xfd\r\n"},
    "PREAUTH": {"tls greeting": b"* PREAUTH PHISH\r\n"},
    "PREAUTH after all": {"tls verdict": b"* PREAUTH PHISH\r\n%T OK in\r\n"},
    "a referral": {"tls verdict": b"* BYE [REFERRAL imap://evil.test/] elsewhere\r\n"},
    "BYE": {"tls AUTHENTICATE": b"* BYE go away\r\n"},
}
POP3_BROKEN = {
    "a greeting without an end": {"tls greeting": endless(b"+OK ")},
    "greetings without an end": {"tls greeting": endless(b"+OK ready\r\n")},
    "a list without an end": {"tls CAPA": endless(b"+OK\r\n")},
    "challenges without an end": {"tls verdict": endless(b"+ e30=\r\n")},
    "a challenge without an end": {"tls AUTH": endless(b"+ AAAA")},
    "capabilities, a megabyte": {"tls CAPA": b"+OK\r\n%b\r\n.\r\n" % MEGABYTE},
    "LF for a line's end": {"tls greeting": b"+OK ready\n"},
    "no greeting": {"tls greeting": b"\0\0\0\0\r\n"},
    "8 bits for a greeting": {"tls greeting": b"\xff\xfe\xfd\r\n"},
}
SMTP_BROKEN = {
    "a greeting without an end": {"tls greeting": endless(b"220 ")},
    "greetings without an end": {"tls greeting": endless(b"220-ready\r\n")},
    "a list without an end": {"tls EHLO": endless(b"250-X\r\n")},
    "challenges without an end": {"tls verdict": endless(b"334 e30=\r\n")},
    "a challenge of many lines": {"tls AUTH": endless(b"334-AAAA\r\n")},
    "a challenge without an end": {"tls AUTH": endless(b"334 AAAA")},
    "capabilities, a megabyte": {"tls EHLO": b"250-hello\r\n250 %b\r\n" % MEGABYTE},
    "LF for a line's end": {"tls greeting": b"220 ready\n"},
    "no greeting": {"tls greeting": b"\0\0\0\0\r\n"},
    "8 bits for a greeting": {"tls greeting": b"\xff\xfe\xfd\r\n"},
    "more than it is asked": {"tls EHLO": b"250-hello\r\n250 AUTH XOAUTH2\r\n250 AUTH PLAIN\r\n"},
}

# Slow ones: each step has its deadline, however many octets come.
SLOW = {
    "imap": {"tls greeting": b"* OK ready", "tls CAPABILITY": b"* 1 EXISTS\r\n", "tls verdict": b"* 1 EXISTS\r\n"},
    "pop3": {"tls greeting": b"+OK ready", "tls CAPA": b"+OK\r\nA", "tls verdict": b"+OK in"},
    "smtp": {"tls greeting": b"220-a", "tls EHLO": b"250-a", "tls verdict": b"235-in"},
}

# What a server may say where it refuses, with %s for its words.
REFUSALS = {
    "imap": {
        "tls greeting": b"* BYE %s\r\n", "tls AUTHENTICATE": b"%%T NO %s\r\n", "tls verdict": b"%%T NO %s\r\n",
        "tls CAPABILITY": b"* CAPABILITY IMAP4rev1 %s\r\n%%T OK\r\n",
    },
    "pop3": {
        "tls greeting": b"-ERR %s\r\n", "tls AUTH": b"-ERR %s\r\n", "tls verdict": b"-ERR %s\r\n",
        "tls CAPA": b"+OK\r\n%s\r\n.\r\n",
    },
    "smtp": {
        "tls greeting": b"554 %s\r\n", "tls AUTH": b"504 %s\r\n", "tls verdict": b"535-a\r\n535 %s\r\n",
        "tls EHLO": b"250-hello\r\n250 %s\r\n",
    },
}
ECHOES = (b"No such token: '%K'", b"...[%B]", b"Bearer %K; " * 3)


class Server(Attacks):
    def test_imap_answers_before_it_is_asked(self):
        self.all("imap", IMAP_EARLY)

    def test_pop3_answers_before_it_is_asked(self):
        self.all("pop3", POP3_EARLY)

    def test_smtp_answers_before_it_is_asked(self):
        self.all("smtp", SMTP_EARLY)

    def test_imap_without_an_end(self):
        self.all("imap", IMAP_BROKEN)

    def test_pop3_without_an_end(self):
        self.all("pop3", POP3_BROKEN)

    def test_smtp_without_an_end(self):
        self.all("smtp", SMTP_BROKEN)

    def all(self, protocol, cases, **how):
        for name, script in cases.items():
            with self.subTest(name):
                self.refused(protocol, script, **how)

    def test_slow_ones(self):
        """An octet every 0.2 s keeps no deadline from coming. The three protocols at once, to save time."""
        answers = {}

        def play(protocol, script):
            answers[protocol] = self.attempt(protocol, script)

        for step in range(3):
            players = []
            for protocol, table in SLOW.items():
                moment, octets = list(table.items())[step]
                players.append(threading.Thread(target=play, args=(protocol, {moment: drip(octets)})))
                players[-1].start()
            for player in players:
                player.join()
            for protocol, (heard, said, sessions) in answers.items():
                with self.subTest(protocol=protocol, step=step):
                    self.assertRegex(heard, rf"\A{PASSING[protocol]}\Z")
                    self.assertIn("does not answer", heard)
                    self.judge(protocol, sessions, heard, said)

    def test_silent_and_gone(self):
        for protocol, moments in REFUSALS.items():
            for moment in moments:
                with self.subTest(protocol=protocol, moment=moment):
                    self.refused(protocol, {moment: CUT})
            self.refused(protocol, {"tls verdict": HANG})

    def test_forged_lines(self):
        """One line, in seven bits, and so in the log."""
        for protocol, moments in REFUSALS.items():
            for moment, answer in moments.items():
                with self.subTest(protocol=protocol, moment=moment):
                    self.refused(protocol, {moment: answer % FORGERY}, LASTING, blamed="", mark=None)

    def test_long_words(self):
        for protocol, moments in REFUSALS.items():
            for moment, answer in moments.items():
                with self.subTest(protocol=protocol, moment=moment):
                    heard, said, _ = self.refused(
                        protocol, {moment: answer % (b"long " * 2000)}, LASTING, blamed="", mark=None
                    )
                    self.assertLess(max(map(len, heard.splitlines())), 1000 if protocol == "imap" else 512)
                    self.assertLess(max(map(len, said.splitlines())), 3000)

    def test_a_server_that_repeats_the_token(self):
        """Where it was just told it, and where it has kept it from another session."""
        for protocol, moments in REFUSALS.items():
            kept = self.servers[protocol].tokens[-1].encode()
            for moment, answer in moments.items():
                for echo in ECHOES:
                    with self.subTest(protocol=protocol, moment=moment, echo=echo):
                        words = answer % echo.replace(b"%K", kept if moment != "tls verdict" else b"%K")
                        self.refused(protocol, {moment: words}, LASTING, blamed="", mark=None)

    def test_welcomes_that_lie(self):
        """What stands in the list of the welcome reaches the client only as capabilities."""
        lie = b"IMAP4rev1 IDLE X] FORGED \"Q\" {3} AUTH=PLAIN STARTTLS a\x1bb \xff LOGIN-REFERRALS"
        heard, said, sessions = self.attempt("imap", {
            "tls greeting": b"* OK [CAPABILITY AUTH=XOAUTH2] ready\r\n",
            "tls CAPABILITY": b"* CAPABILITY %b\r\n%%T OK [ALERT] FORGED\r\n" % lie,
        })
        self.assertRegex(heard, r"\AL1 OK \[CAPABILITY IMAP4rev1 IDLE FORGED\] [ -~]+\r\n\Z")
        self.judge("imap", sessions, heard, said)
        lies = b"250-hello\r\n250-SIZE 99999999999999999999999\r\n250-X\x1b[2J\r\n250-AUTH XOAUTH2\r\n250 STARTTLS\r\n"
        self.let_in("smtp", {"tls EHLO": lies})
        self.let_in("pop3", {"tls CAPA": b"+OK\r\nSASL XOAUTH2\r\nSTLS\r\nA\x1b\r\n..\r\n.\r\n"})
