"""The servers that send mail, without the gateway: Dovecot's submission service, Postfix and the sink.

If one of these fails, the lab is broken, not the gateway.
"""

import base64
import smtplib
import unittest

import lab
from clients import message
from process import wait_until
from upstream import CUT
from upstream.smtp import RecordingSmtp
from world import UPSTREAM_PASSWORD, oauthbearer, xoauth2

ALICE = "alice@lab.test"


def session(port, tls="implicit"):
    world = lab.world()
    if tls == "implicit":
        smtp = smtplib.SMTP_SSL("localhost", port, context=world.tls(), timeout=60)
    else:
        smtp = smtplib.SMTP("localhost", port, timeout=60)
        if tls == "starttls":
            smtp.starttls(context=world.tls())
    smtp.ehlo("lab.test")
    return smtp


def log_in(smtp, mechanism, response):
    """In two steps, and past the challenge that a refused token gets; the last reply."""
    code, text = smtp.docmd("AUTH", mechanism)
    if code == 334:
        code, text = smtp.docmd(base64.b64encode(response).decode())
    if code == 334:
        code, text = smtp.docmd("")
    return code, text


def send(smtp, message_id, recipient="somebody@sink.test"):
    smtp.sendmail(ALICE, [recipient], message(message_id))


class Servers(unittest.TestCase):
    def ports(self):
        """(name, port, TLS) of all that take tokens."""
        world = lab.world()
        known = [("dovecot", world.dovecot)] + ([("postfix", world.postfix)] if world.postfix else [])
        for name, server in known:
            yield name, server.submission, "starttls"
            yield name, server.submissions, "implicit"

    def test_believe_tokens_and_hand_mail_to_the_sink(self):
        world = lab.world()
        token = world.token("robot")
        for name, port, tls in self.ports():
            for mechanism, response in {
                "XOAUTH2": xoauth2(ALICE, token), "OAUTHBEARER": oauthbearer(ALICE, token),
            }.items():
                with self.subTest(server=name, tls=tls, mechanism=mechanism), session(port, tls) as smtp:
                    self.assertEqual(smtp.esmtp_features["auth"].split(), ["XOAUTH2", "OAUTHBEARER"])
                    self.assertEqual(log_in(smtp, mechanism, response)[0], 235)
                    message_id = f"upstream-{name}-{tls}-{mechanism}"
                    send(smtp, message_id)
                    came = world.sink.message(message_id)
                    self.assertEqual((came.sender, came.recipients), (ALICE, ["somebody@sink.test"]))
                    # Each adds trace fields and changes nothing.
                    self.assertTrue(came.octets.endswith(message(message_id)), came.octets)

    def test_refuse_bad_tokens_passwords_and_strangers(self):
        token = lab.world().token("robot")
        for name, port, tls in self.ports():
            with self.subTest(server=name, tls=tls), session(port, tls) as smtp:
                self.assertEqual(log_in(smtp, "XOAUTH2", xoauth2(ALICE, "stale"))[0], 535)
                # Dovecot's submission service calls the token of another mailbox a passing fault.
                self.assertIn(log_in(smtp, "XOAUTH2", xoauth2("bob@lab.test", token))[0], (454, 535))
                self.assertIn(log_in(smtp, "PLAIN", f"\0{ALICE}\0{UPSTREAM_PASSWORD}".encode())[0], (504, 535))
                with self.assertRaises(smtplib.SMTPException):
                    send(smtp, "upstream-stranger")
                self.assertEqual(log_in(smtp, "XOAUTH2", xoauth2(ALICE, token))[0], 235)

    def test_password_servers_take_passwords_only(self):
        world = lab.world()
        ports = [(world.password_dovecot.submission, "starttls"), (world.password_dovecot.submissions, "implicit")]
        if world.postfix:
            ports += [(world.postfix.password_submission, "starttls"), (world.postfix.password_submissions, "implicit")]
        for port, tls in ports:
            with self.subTest(port=port, tls=tls), session(port, tls) as smtp:
                self.assertEqual(smtp.esmtp_features["auth"].split(), ["PLAIN", "LOGIN"])
                with self.assertRaises(smtplib.SMTPAuthenticationError):
                    smtp.login(ALICE, "wrong")
                smtp.login(ALICE, UPSTREAM_PASSWORD)
                send(smtp, f"upstream-password-{port}")
                world.sink.message(f"upstream-password-{port}")

    def test_what_they_offer(self):
        """The lab's claim is that these are different servers."""
        offered = {}
        for name, port, tls in self.ports():
            with session(port, tls) as smtp:
                offered[name] = set(smtp.esmtp_features)
        self.assertLessEqual({"pipelining", "size", "8bitmime", "chunking", "burl"}, offered["dovecot"])
        if "postfix" in offered:
            self.assertLessEqual(
                {"pipelining", "size", "8bitmime", "chunking", "dsn", "smtputf8", "enhancedstatuscodes"}, offered["postfix"]
            )

    def test_postfix_delivers_into_the_mailboxes(self):
        world = lab.world()
        if not world.postfix:
            self.skipTest("Postfix runs as root only")
        with session(world.postfix.submissions) as smtp:
            log_in(smtp, "XOAUTH2", xoauth2(ALICE, world.token("robot")))
            send(smtp, "upstream-delivered", ALICE)

        def delivered():
            with world.mailbox("robot") as imap:
                imap.select()
                return imap.search(None, "HEADER", "Message-ID", "upstream-delivered")[1][0]

        wait_until(delivered, "the message in the mailbox")


class Recorder(unittest.TestCase):
    def upstream(self, *arguments, **options):
        return self.enterContext(RecordingSmtp(lab.world(), *arguments, **options))

    def session(self, upstream, token="token"):
        smtp = self.enterContext(session(upstream.port, upstream.tls))
        return smtp, log_in(smtp, "XOAUTH2", xoauth2(ALICE, token))

    def test_records_what_it_is_told_and_tells(self):
        for tls in ("implicit", "starttls"):
            with self.subTest(tls):
                upstream = self.upstream(tls)
                smtp, (code, _) = self.session(upstream)
                self.assertEqual(code, 235)
                send(smtp, "recorded")
                smtp.quit()
                seen = upstream.sessions[0]
                self.assertEqual((seen.user, seen.token, seen.mechanism), (ALICE, "token", "XOAUTH2"))
                self.assertFalse(seen.initial_response)
                self.assertTrue(seen.received.lower().startswith(b"mail from:<alice@lab.test>"), seen.received)
                self.assertIn(message("recorded") + b".\r\n", seen.received)
                self.assertTrue(seen.sent.endswith(b"221 2.0.0 Bye\r\n"))
                self.assertEqual([kept.octets for kept in upstream.messages], [message("recorded")])

    def test_ends_a_message_at_the_dot_between_crlfs_only(self):
        upstream = self.upstream()
        smtp, _ = self.session(upstream)
        smtp.mail(ALICE)
        smtp.rcpt("a@sink.test")
        smtp.docmd("DATA")
        smtp.send(b"..one\r\n\n.\n\n.\r\n\r.\r\ntwo\r\n.\r\n")
        self.assertEqual(smtp.getreply()[0], 250)
        self.assertEqual(upstream.messages[0].octets, b".one\r\n\n.\n\n.\r\n\r.\r\ntwo\r\n")

    def test_takes_bdat_by_count(self):
        upstream = self.upstream()
        smtp, _ = self.session(upstream)
        smtp.mail(ALICE)
        smtp.rcpt("a@sink.test")
        smtp.send(b"BDAT 8\r\n.\r\n\x00QUITBDAT 0 LAST\r\n")
        self.assertEqual((smtp.getreply()[0], smtp.getreply()[0]), (250, 250))
        self.assertEqual(upstream.messages[0].octets, b".\r\n\x00QUIT")

    def test_misbehaves_as_told(self):
        upstream = self.upstream()
        upstream.refuse = lambda token: token == "stale"
        upstream.refusal = b"535-5.7.8 two\r\n535 5.7.8 lines\r\n"
        smtp, answer = self.session(upstream, "stale")
        self.assertEqual(answer, (535, b"5.7.8 two\n5.7.8 lines"))
        smtp, _ = self.session(upstream)
        upstream.answers["RCPT"] = lambda line: b"450 4.2.1 Later\r\n" if b"later" in line else None
        smtp.mail(ALICE)
        self.assertEqual((smtp.rcpt("later@sink.test")[0], smtp.rcpt("now@sink.test")[0]), (450, 250))
        upstream.answers["message"] = b"451 4.3.0 Not taken\r\n"
        self.assertEqual(smtp.data(b"lost\r\n")[0], 451)
        upstream.answers["MAIL"] = CUT
        with self.assertRaises(smtplib.SMTPServerDisconnected):
            smtp.mail(ALICE)
        self.assertEqual(upstream.messages, [])

    def test_breaks_off_in_a_message(self):
        upstream = self.upstream()
        upstream.cut_after = 5
        smtp, _ = self.session(upstream)
        with self.assertRaises(smtplib.SMTPServerDisconnected):
            send(smtp, "cut")
        self.assertEqual(upstream.messages, [])

    def test_answers_a_greeting_that_is_none(self):
        upstream = self.upstream("none")
        upstream.answers["greeting"] = b"421 4.3.2 Not now\r\n"
        with self.assertRaises(smtplib.SMTPConnectError):
            smtplib.SMTP("localhost", upstream.port)
