"""No secret in any log of the whole run, at TRACE. Comes last: it reads what the others left."""

import glob
import unittest

import lab
from gateway import Account, Gateway
from raw import RawImap
from world import CLIENT_SECRET, encodings


class Secrets(unittest.TestCase):
    def test_none_is_in_any_log(self):
        world = lab.world()
        with Gateway(world, "secrets", [Account("alice@lab.test", "robot", world.dovecot.imaps)]) as gateway:
            with RawImap(gateway.port("imap")) as client:
                account = gateway.accounts[0]
                self.assertIn("L1 OK", client.login(account.login, account.password()))
        logs = glob.glob(world.path("*.gateway.log"))
        secrets = {CLIENT_SECRET: "the client secret"}
        for one in Gateway.all:
            for account in one.accounts:
                for name, password in account.passwords.items():
                    secrets[password] = f"the local password {name!r} of {account.login}"
        for token in world.provider("issued"):
            secrets[token] = "a token"
        needles = {form.encode(): what for secret, what in secrets.items() for form in encodings(secret)}
        self.assertGreater(len(needles), 10)
        for path in logs:
            with open(path, "rb") as file:
                log = file.read()
            # It was no quiet log, and of a gateway that did its work.
            self.assertIn(b"DEBUG", log, path)
            self.assertIn(b"account=", log, path)
            found = {what for needle, what in needles.items() if needle in log}
            self.assertEqual(found, set(), path)
