"""The servers that POP3 reads from, without the gateway.

If one of these fails, the lab is broken, not the gateway.
"""

import base64
import poplib
import unittest

import lab
from clients import message
from upstream.pop3 import RecordingPop3
from world import UPSTREAM_PASSWORD, oauthbearer, xoauth2

ALICE = "alice@lab.test"


def session(port, tls="implicit"):
    world = lab.world()
    if tls == "implicit":
        return poplib.POP3_SSL("localhost", port, context=world.tls(), timeout=60)
    pop = poplib.POP3("localhost", port, timeout=60)
    if tls == "starttls":
        pop.stls(context=world.tls())
    return pop


def log_in(pop, mechanism, response):
    """In two steps, and past the challenge that a refused token gets; the last reply."""
    pop._putcmd(f"AUTH {mechanism}")
    answers = [pop._getline()[0]]
    for line in (base64.b64encode(response), b""):
        if answers[-1].startswith(b"+") and not answers[-1].startswith(b"+OK"):
            pop._putline(line)
            answers.append(pop._getline()[0])
    return answers[-1]


class Servers(unittest.TestCase):
    def test_dovecot_believes_tokens_and_nothing_else(self):
        world = lab.world()
        token = world.token("robot")
        with world.mailbox("robot") as imap:
            imap.append("INBOX", None, None, message("pop3-upstream"))
        for port, tls in ((world.dovecot.pop3, "starttls"), (world.dovecot.pop3s, "implicit")):
            for mechanism, response in {
                "XOAUTH2": xoauth2(ALICE, token), "OAUTHBEARER": oauthbearer(ALICE, token),
            }.items():
                with self.subTest(tls=tls, mechanism=mechanism):
                    pop = session(port, tls)
                    self.assertEqual(pop.capa()["SASL"], ["XOAUTH2", "OAUTHBEARER"])
                    pop.user(ALICE)
                    with self.assertRaises(poplib.error_proto):
                        pop.pass_(UPSTREAM_PASSWORD)
                    self.assertTrue(log_in(pop, "XOAUTH2", xoauth2(ALICE, "stale")).startswith(b"-ERR"))
                    self.assertTrue(log_in(pop, mechanism, response).startswith(b"+OK"))
                    count, _ = pop.stat()
                    self.assertIn(b"Message-ID: <pop3-upstream@lab.test>", pop.retr(count)[1])
                    pop.quit()

    def test_the_other_dovecot_takes_passwords_only(self):
        world = lab.world()
        for port, tls in ((world.password_dovecot.pop3, "starttls"), (world.password_dovecot.pop3s, "implicit")):
            with self.subTest(tls=tls):
                pop = session(port, tls)
                self.assertEqual(pop.capa()["SASL"], ["PLAIN", "LOGIN"])
                pop.user(ALICE)
                with self.assertRaises(poplib.error_proto):
                    pop.pass_("wrong")
                pop.user(ALICE)
                pop.pass_(UPSTREAM_PASSWORD)
                pop.quit()


class Recorder(unittest.TestCase):
    def upstream(self, *arguments, **options):
        return self.enterContext(RecordingPop3(lab.world(), *arguments, **options))

    def test_records_what_it_is_told_and_tells(self):
        for tls in ("implicit", "starttls"):
            with self.subTest(tls):
                upstream = self.upstream(tls)
                upstream.message = b".dot\r\n..two\r\n.\r\nend\r\n"
                pop = session(upstream.port, tls)
                self.assertEqual(log_in(pop, "XOAUTH2", xoauth2(ALICE, "token")), b"+OK welcome")
                self.assertEqual(pop.stat(), (1, len(upstream.message)))
                self.assertEqual(b"\r\n".join(pop.retr(1)[1]) + b"\r\n", upstream.message)
                self.assertEqual(pop.uidl()[1], [b"1 the-only-one"])
                pop.quit()
                seen = upstream.sessions[0]
                self.assertEqual((seen.user, seen.token, seen.initial_response), (ALICE, "token", False))
                self.assertEqual(bytes(seen.received), b"STAT\r\nRETR 1\r\nUIDL\r\nQUIT\r\n")
                self.assertIn(b"+OK here\r\n..dot\r\n...two\r\n..\r\nend\r\n.\r\n", seen.sent)

    def test_takes_passwords(self):
        upstream = self.upstream(mechanisms=("PLAIN",), takes_user=True)
        upstream.refuse = lambda password: password != "pass word"
        pop = session(upstream.port)
        pop.user(ALICE)
        with self.assertRaises(poplib.error_proto):
            pop.pass_("wrong")
        pop.user(ALICE)
        pop.pass_("pass word")
        pop.quit()
        self.assertEqual((upstream.sessions[0].user, upstream.sessions[0].password), (ALICE, "pass word"))

    def test_misbehaves_as_told(self):
        upstream = self.upstream()
        upstream.refuse = lambda token: token == "stale"
        upstream.challenge = True
        pop = session(upstream.port)
        self.assertIn(b"-ERR", log_in(pop, "XOAUTH2", xoauth2(ALICE, "stale")))
        self.assertIn(b"+OK", log_in(pop, "XOAUTH2", xoauth2(ALICE, "fresh")))
        upstream.answers["STAT"] = b"-ERR [SYS/TEMP] later\r\n"
        with self.assertRaises(poplib.error_proto):
            pop.stat()
        upstream.cut_after = 4
        with self.assertRaises(poplib.error_proto):
            pop.retr(1)
        pop.close()
