"""The world without the gateway: Dovecot believes the provider's tokens and nothing else.

If one of these fails, the lab is broken, not the gateway.
"""

import imaplib
import unittest

import lab
from upstream.imap import RecordingImap
from world import oauthbearer, xoauth2


class Upstream(unittest.TestCase):
    def session(self, port=None):
        world = lab.world()
        return imaplib.IMAP4_SSL("localhost", port or world.dovecot.imaps, ssl_context=world.tls(), timeout=30)

    def test_believes_jwt_opaque_and_personal_tokens(self):
        for client in ("robot", "robot-opaque", "person"):
            with self.subTest(client), lab.world().mailbox(client) as imap:
                self.assertEqual(imap.select()[0], "OK")

    def test_believes_oauthbearer(self):
        world = lab.world()
        user, token = world.clients["robot"]["mailbox"], world.token("robot")
        with self.session() as imap:
            imap.authenticate("OAUTHBEARER", lambda _: oauthbearer(user, token))

    def test_takes_starttls(self):
        world = lab.world()
        with imaplib.IMAP4("localhost", world.dovecot.imap, timeout=30) as imap:
            imap.starttls(world.tls())
            user, token = world.clients["robot"]["mailbox"], world.token("robot")
            imap.authenticate("XOAUTH2", lambda _: xoauth2(user, token))

    def test_refuses_passwords(self):
        with self.session() as imap:
            self.assertIn("LOGINDISABLED", imap.capabilities)
            with self.assertRaises(imaplib.IMAP4.error):
                imap.login("alice@lab.test", "password")

    def test_refuses_a_token_of_another_mailbox(self):
        token = lab.world().token("robot")
        with self.session() as imap, self.assertRaises(imaplib.IMAP4.error):
            imap.authenticate("XOAUTH2", lambda _: xoauth2("bob@lab.test", token))

    def test_refuses_a_revoked_token_with_a_challenge(self):
        world = lab.world()
        token = world.token("robot-opaque")
        world.provider("revoke", client="robot-opaque")
        challenges = []

        def answer(challenge):
            challenges.append(challenge)
            return xoauth2("bob@lab.test", token) if len(challenges) == 1 else b""

        with self.session() as imap, self.assertRaises(imaplib.IMAP4.error):
            imap.authenticate("XOAUTH2", answer)
        self.assertIn(b'"status"', challenges[1])


class Recorder(unittest.TestCase):
    """The server of the lab's own that records and breaks off."""

    def session(self, upstream, token="token"):
        imap = imaplib.IMAP4_SSL("localhost", upstream.port, ssl_context=lab.world().tls(), timeout=30)
        imap.authenticate("XOAUTH2", lambda _: xoauth2("alice@lab.test", token))
        imap.xatom("CAPABILITY")
        return imap

    def test_records_what_it_is_told_and_tells(self):
        with RecordingImap(lab.world()) as upstream:
            with self.session(upstream) as imap:
                imap.select()
                imap.append("INBOX", None, None, upstream.message)
                self.assertEqual(imap.fetch("1", "(BODY[])")[1][0][1], upstream.message)
            session = upstream.sessions[0]
            self.assertEqual((session.user, session.token), ("alice@lab.test", "token"))
            self.assertIn(b"{%d}\r\n%b\r\n" % (len(upstream.message), upstream.message), session.received)
            self.assertTrue(session.received.startswith(imap.tagpre))
            self.assertIn(upstream.message + b")\r\n", session.sent)

    def test_refuses_with_a_challenge(self):
        with RecordingImap(lab.world()) as upstream:
            upstream.refuse = lambda token: token == "stale"
            with self.assertRaisesRegex(imaplib.IMAP4.error, "AUTHENTICATIONFAILED"):
                self.session(upstream, "stale")
            self.session(upstream, "fresh").logout()

    def test_breaks_off_in_a_literal(self):
        with RecordingImap(lab.world()) as upstream:
            upstream.cut_after = 5
            imap = self.session(upstream)
            imap.select()
            with self.assertRaises(imaplib.IMAP4.abort):
                imap.fetch("1", "(BODY[])")
            imap.shutdown()
            self.assertTrue(upstream.sessions[0].sent.endswith(upstream.message[:5]))
