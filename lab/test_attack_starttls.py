"""A man in the middle of STARTTLS, on the way to the servers: the cases of "Why TLS Is Better Without STARTTLS"
(Poddebniak et al., USENIX Security 2021), by the names that they have there.

Whatever he says in clear, no client hears it, no token goes there, and the login works or fails as a passing fault.
"""

from attacks import Attacks
from upstream import CUT, HANG
from upstream.hostile import drip, endless, in_clear

ALERT = b"* OK [ALERT] PHISH: go to https://evil.test/\r\n"
TLS_ALERT = b"\x15\x03\x03\x00\x02\x02\x28"

# Untagged data before the login, which means nothing there (family "Tampering").
UNTAGGED = (
    b'* LIST () "/" PHISH\r\n', b'* LSUB () "/" PHISH\r\n', b"* STATUS INBOX (MESSAGES 7)\r\n", b"* SEARCH 2 3 6\r\n",
    b"* FLAGS (\\PHISH)\r\n", b"* 23 EXISTS\r\n", b"* 5 RECENT\r\n", b"* 44 EXPUNGE\r\n",
    b"* 1 FETCH (BODY[TEXT] {7}\r\nPHISH\r\n)\r\n", b"* NO [REFERRAL imap://evil.test/INBOX] PHISH\r\n", ALERT,
    b"* NO [ALERT] PHISH\r\n", b"* BAD [ALERT] PHISH\r\n",
)

IMAP_REFUSED = {
    "D_1": {"CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 PHISH\r\n%T OK PHISH\r\n"},
    "D_1 in the greeting": {"greeting": b"* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 PHISH] PHISH\r\n"},
    "D_2": {"CAPABILITY": b"* CAPABILITY IMAP4rev1 PHISH\r\n%T OK PHISH\r\n"},
    "D_3": {"CAPABILITY": b"* CAPABILITY IMAP4 PHISH\r\n%T OK PHISH\r\n"},
    "no list": {"CAPABILITY": b"%T OK PHISH\r\n"},
    "no CAPABILITY": {"CAPABILITY": b"%T BAD PHISH\r\n"},
    "a word that begins like it": {"CAPABILITY": b"* CAPABILITY STARTTLSPHISH\r\n%T OK\r\n"},
    "O_1": {"STARTTLS": b"%T BAD PHISH\r\n"},
    "O_2": {"STARTTLS": b"%T NO PHISH\r\n"},
    "O_3": {"STARTTLS": b"* BAD PHISH\r\n%T BAD PHISH\r\n"},
    "O_4": {"STARTTLS": b"+ PHISH\r\n"},
    "O with a login code": {"STARTTLS": b"%T NO [AUTHENTICATIONFAILED] PHISH\r\n"},
    "P": {"greeting": b"* PREAUTH PHISH\r\n"},
    "P_1": {"greeting": b"* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] PHISH\r\n"},
    "P_2": {"greeting": b"* PREAUTH [CAPABILITY IMAP4rev1] PHISH\r\n"},
    "P_3": {"greeting": b"* preauth [ALERT] PHISH\r\n* 23 EXISTS\r\n"},
    "P_4": {"greeting": b"* OK ready\r\n* PREAUTH PHISH\r\n"},
    "P_5": {"STARTTLS": b"* PREAUTH PHISH\r\n%T OK begin\r\n"},
    "L_1": {"STARTTLS": b"%T NO [REFERRAL imap://alice;AUTH=*@evil.test/] PHISH\r\n"},
    "L_1 at once": {"greeting": b"* BYE [REFERRAL imap://alice;AUTH=*@evil.test/] PHISH\r\n"},
    "M_1": {"CAPABILITY": b"%T NO [REFERRAL imap://evil.test/INBOX PHISH] PHISH\r\n"},
    "M_2": {"greeting": b"* NO [REFERRAL imap://evil.test/INBOX] PHISH\r\n"},
    "B_1": {"STARTTLS": b"%T OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR\r\nG3 OK PHISH\r\n"},
    "B_2": {"STARTTLS": b"%T OK begin\r\n" + ALERT},
    "B_3": {"STARTTLS": b"%T OK begin\r\n* BYE PHISH\r\n"},
    "B, a part": {"STARTTLS": b"%T OK begin\r\n* CAPABILITY"},
    "B, one octet": {"STARTTLS": b"%T OK begin\r\n\0"},
    "B, in the next packet": {"STARTTLS": (b"%T OK begin\r\n", b"* OK PHISH\r\n")},
    "B, half a literal": {"STARTTLS": b"* X {4000}\r\n%T OK begin\r\n"},
    "X_1": {"greeting": b"* OK ready\r\nG1 OK\r\nG2 OK\r\nG3 OK PHISH\r\n"},
    "the go-ahead before it was asked for": {"greeting": b"* OK [CAPABILITY STARTTLS] ready\r\nG1 OK begin\r\n"},
    "greeting tagged": {"greeting": b"A OK PHISH\r\n"},
    "greeting invalid": {"greeting": b"PHISH\r\n"},
    "greeting of another protocol": {"greeting": b"220 PHISH\r\n"},
    "greeting reordered": {"greeting": b"* CAPABILITY IMAP4rev1 STARTTLS PHISH\r\n* OK ready\r\n"},
    "greeting NO": {"greeting": b"* NO [ALERT] PHISH\r\n"},
    "greeting BYE": {"greeting": b"* BYE [ALERT] PHISH\r\n"},
    "greeting in bare LF": {"greeting": b"* OK PHISH\n"},
    "greeting with NUL": {"greeting": b"\0* OK PHISH\r\n"},
    "no end": {"greeting": endless(b"* OK PHISH ")},
    "no end of data": {"CAPABILITY": endless(b"* OK [ALERT] PHISH\r\n")},
    "a bomb": {"CAPABILITY": b"* X {4294967295}\r\nPHISH"},
    "no end of STARTTLS": {"STARTTLS": endless(b"* OK PHISH\r\n")},
    "drops": {"CAPABILITY": drip(b"* OK PHISH\r\n")},
    "instead of a handshake": {"STARTTLS": in_clear(b"* OK PHISH\r\nG3 OK PHISH\r\n")},
    "an alert instead": {"STARTTLS": in_clear(TLS_ALERT)},
    "silence instead": {"STARTTLS": in_clear(b"\x16")},
    "cut": {"STARTTLS": CUT}, "silent": {"STARTTLS": HANG}, "cut at once": {"greeting": CUT},
}

IMAP_LET_IN = {
    **{f"after greeting: {data}": {"greeting": b"* OK ready\r\n" + data} for data in UNTAGGED},
    **{f"before STARTTLS: {data}": {"STARTTLS": data + b"%T OK begin\r\n"} for data in UNTAGGED},
    "after the greeting, all": {"greeting": (b"* OK ready\r\n", *UNTAGGED)},
    "UI: greeting": {"greeting": b"* OK [ALERT] PHISH\r\n"},
    "UI: CAPABILITY": {"CAPABILITY": ALERT + b"* CAPABILITY STARTTLS\r\n%T OK [ALERT] PHISH\r\n"},
    "UI: STARTTLS": {"STARTTLS": b"%T OK [ALERT] PHISH\r\n"},
    "referral": {"STARTTLS": b"%T OK [REFERRAL imap://evil.test/] PHISH\r\n"},
    "utf8-only": {"greeting": "* OK [CAPABILITY IMAP4rev1 STARTTLS UTF8=ONLY] PHISH é\r\n".encode()},
    # Forgotten with TLS: what was said before is not what the client is told.
    "a list from before": {"greeting": b"* OK [CAPABILITY IMAP4rev1 STARTTLS PHISH-EXT] PHISH\r\n"},
}

POP3_REFUSED = {
    "D": {"CAPA": b"+OK\r\nUSER\r\nSASL PLAIN XOAUTH2\r\nPHISH\r\n.\r\n"},
    "O_1": {"STLS": b"-ERR PHISH\r\n"},
    "O_2": {"STLS": b"-ERR [AUTH] PHISH\r\n"},
    "O_3": {"STLS": b"+ PHISH\r\n"},
    "O_4": {"STLS": b"PHISH\r\n"},
    "B_1": {"STLS": b"+OK begin\r\n+OK PHISH\r\nSASL XOAUTH2\r\n.\r\n"},
    "B_2": {"STLS": b"+OK begin\r\n-ERR PHISH\r\n"},
    "B, a part": {"STLS": b"+OK begin\r\n+"},
    "B, in the next packet": {"STLS": (b"+OK begin\r\n", b"+OK PHISH\r\n")},
    "greeting -ERR": {"greeting": b"-ERR PHISH\r\n"},
    **{
        f"{moment} {code}": {moment: b"-ERR [%b] PHISH\r\n" % code}
        for moment in ("greeting", "STLS")
        for code in (b"AUTH", b"SYS/PERM", b"SYS/TEMP", b"IN-USE", b"LOGIN-DELAY", b"UTF8")
    },
    "capa, not now": {"CAPA": b"-ERR [SYS/TEMP] PHISH\r\n"},
    "capa of one line": {"CAPA": b"+OK PHISH\r\n.\r\n"},
    "capa asks": {"CAPA": b"+ PHISH\r\n"},
    "capa unknown, stls too": {"CAPA": b"-ERR PHISH\r\n", "STLS": b"-ERR PHISH\r\n"},
    "capa answered early": {"greeting": b"+OK ready\r\n+OK\r\nSTLS\r\n.\r\n"},
    "stls answered early": {"CAPA": b"+OK\r\nSTLS\r\n.\r\n+OK begin\r\n"},
    "auth and quit in the greeting": {"greeting": b"+OK ready\r\n+OK PHISH\r\n+OK bye\r\n"},
    "greeting asks": {"greeting": b"+ PHISH\r\n"},
    "greeting of another protocol": {"greeting": b"* OK PHISH\r\n"},
    "greeting in bare LF": {"greeting": b"+OK PHISH\n"},
    "no end": {"greeting": endless(b"+OK PHISH ")},
    "no end of capa": {"CAPA": endless(b"+OK PHISH\r\n")},
    "drops": {"CAPA": drip(b"+OK PHISH\r\n")},
    "instead of a handshake": {"STLS": in_clear(b"+OK PHISH\r\n")},
    "an alert instead": {"STLS": in_clear(TLS_ALERT)},
    "cut": {"STLS": CUT}, "silent": {"STLS": HANG}, "cut at once": {"greeting": CUT},
}

POP3_LET_IN = {
    "greeting": {"greeting": b"+OK [ALERT] PHISH <1@evil.test>\r\n"},
    "capa": {"CAPA": b"+OK PHISH\r\nSTLS\r\nPHISH\r\nSASL PLAIN\r\n.\r\n"},
    "capa unknown": {"CAPA": b"-ERR PHISH\r\n"},
    "capa [AUTH]": {"CAPA": b"-ERR [AUTH] PHISH\r\n"},
    "stls": {"STLS": b"+OK PHISH\r\n"},
}

CODES = (220, 221, 354, 421, 500, 501, 502, 504, 530, 550, 554)
SMTP_REFUSED = {
    "D_1": {"EHLO": b"502 PHISH\r\n"},
    "D": {"EHLO": b"250-PHISH\r\n250-AUTH XOAUTH2\r\n250 PHISH\r\n"},
    "O_1": {"STARTTLS": b"502 5.5.1 PHISH\r\n"},
    "O_2": {"STARTTLS": b"502-PHISH\r\n502 PHISH\r\n"},
    "O_3": {"STARTTLS": b"454 4.7.0 PHISH\r\n"},
    "O_4": {"STARTTLS": b"354 PHISH\r\n"},
    "O with a login code": {"STARTTLS": b"535 5.7.8 PHISH\r\n"},
    "B_1": {"STARTTLS": b"220 begin\r\n250-PHISH\r\n250 AUTH XOAUTH2\r\n"},
    "B, a part": {"STARTTLS": b"220 begin\r\n250-PHI"},
    "B, in the next packet": {"STARTTLS": (b"220 begin\r\n", b"250 AUTH XOAUTH2\r\n")},
    "B, more of the go-ahead": {"STARTTLS": b"220 begin\r\n220 PHISH\r\n"},
    **{f"greeting {code}": {"greeting": b"%d PHISH\r\n" % code} for code in CODES if code != 220},
    **{f"ehlo {code}": {"EHLO": b"%d PHISH\r\n" % code} for code in CODES},
    **{f"starttls {code}": {"STARTTLS": b"%d PHISH\r\n" % code} for code in CODES if code != 220},
    # HELO, QUIT and RSET are never said before TLS; what answers them comes unasked.
    **{f"helo, quit, rset {code}": {"greeting": b"220 ready\r\n%d PHISH\r\n" % code} for code in CODES},
    **{f"behind ehlo {code}": {"EHLO": b"250-hello\r\n250 STARTTLS\r\n%d PHISH\r\n" % code} for code in CODES},
    "greeting of another protocol": {"greeting": b"* OK PHISH\r\n"},
    "greeting in bare LF": {"greeting": b"220 PHISH\n"},
    "two codes": {"EHLO": b"250-STARTTLS\r\n220 PHISH\r\n"},
    "no end": {"greeting": endless(b"220-PHISH\r\n")},
    "no end of a line": {"EHLO": endless(b"250-PHISH ")},
    "drops": {"EHLO": drip(b"250-PHISH\r\n")},
    "instead of a handshake": {"STARTTLS": in_clear(b"250 AUTH XOAUTH2\r\n")},
    "an alert instead": {"STARTTLS": in_clear(TLS_ALERT)},
    "cut": {"STARTTLS": CUT}, "silent": {"STARTTLS": HANG}, "cut at once": {"greeting": CUT},
}

SMTP_LET_IN = {
    "greeting": {"greeting": b"220-PHISH\r\n220 PHISH\r\n"},
    "ehlo": {"EHLO": b"250-PHISH\r\n250-SIZE 1\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n"},
    "starttls": {"STARTTLS": b"220-PHISH\r\n220 PHISH\r\n"},
}


class StartTls(Attacks):
    tls = "starttls"

    def play(self, protocol, refused, let_in):
        for name, script in refused.items():
            with self.subTest(name):
                _, _, sessions = self.refused(protocol, script)
                # Where the handshake had begun, not a word was said behind it.
                self.assertEqual([bytes(session.inside) for session in sessions], [b""])
        for name, script in let_in.items():
            with self.subTest(name):
                self.let_in(protocol, script)

    def test_imap(self):
        self.play("imap", IMAP_REFUSED, IMAP_LET_IN)

    def test_pop3(self):
        self.play("pop3", POP3_REFUSED, POP3_LET_IN)

    def test_smtp(self):
        self.play("smtp", SMTP_REFUSED, SMTP_LET_IN)
