"""The world without the gateway: Dovecot believes the provider's tokens and nothing else.

If one of these fails, the lab is broken, not the gateway.
"""

import imaplib
import unittest

import lab
from world import xoauth2


class Upstream(unittest.TestCase):
    def session(self, port=None):
        world = lab.world()
        return imaplib.IMAP4_SSL("localhost", port or world.imaps_port, ssl_context=world.tls(), timeout=30)

    def test_believes_jwt_opaque_and_personal_tokens(self):
        for client in ("robot", "robot-opaque", "person"):
            with self.subTest(client), lab.world().mailbox(client) as imap:
                self.assertEqual(imap.select()[0], "OK")

    def test_believes_oauthbearer(self):
        world = lab.world()
        user, token = world.clients["robot"]["mailbox"], world.token("robot")
        with self.session() as imap:
            imap.authenticate(
                "OAUTHBEARER", lambda _: f"n,a={user},\1host=localhost\1port=993\1auth=Bearer {token}\1\1".encode()
            )

    def test_takes_starttls(self):
        world = lab.world()
        with imaplib.IMAP4("localhost", world.imap_port, timeout=30) as imap:
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
