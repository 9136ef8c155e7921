"""No secret and no mail in any log of the whole run, at TRACE. Comes last: it reads what the others left."""

import glob
import unittest

import lab
from browser import PERSON_PASSWORD
from clients import message
from gateway import Account, Gateway, Server
from keys import PASSPHRASE
from raw import RawImap, RawPop3, RawSmtp
from upstream.token import ISSUED
from world import CLIENT_SECRET, UPSTREAM_PASSWORD, encodings

# Text of every mail that the lab sends or reads.
TEXT = "A1 LOGIN looks like a command"


class Secrets(unittest.TestCase):
    def test_none_is_in_any_log(self):
        self.use_every_protocol()
        needles = {form.encode(): what for secret, what in self.secrets().items() for form in encodings(secret)}
        self.assertGreater(len(needles), 10)
        for path in glob.glob(lab.world().path("*.gateway.log")):
            with open(path, "rb") as file:
                log = file.read()
            # It was no quiet log, wherever the gateway had work at all; this test's own had.
            if b"connection=" in log or path == lab.world().path("secrets.gateway.log"):
                self.assertIn(b"DEBUG", log, path)
                self.assertIn(b"connection=", log, path)
            found = {what for needle, what in needles.items() if needle in log}
            self.assertEqual(found, set(), path)

    def use_every_protocol(self):
        """Once with tokens and once with stored passwords, so that this test finds something to read by itself."""
        world = lab.world()
        dovecot, stored = world.dovecot, world.password_dovecot
        accounts = [
            Account("alice@lab.test", "robot", dovecot.imaps, dovecot.pop3s, dovecot.submissions),
            Account("bob@lab.test", None, *(
                Server(port, password=UPSTREAM_PASSWORD) for port in (stored.imaps, stored.pop3s, stored.submissions)
            )),
        ]
        with Gateway(world, "secrets", accounts) as gateway:
            for account in accounts:
                login = account.login, account.password()
                with RawSmtp(gateway.port("smtp")) as client:
                    self.assertIn("235", client.login(*login))
                    client.envelope()
                    self.assertIn("250", client.data(message("secrets")))
                with RawPop3(gateway.port("pop3")) as client:
                    self.assertRegex(client.login(*login), r"\+OK.*\r\n\+OK")
                with RawImap(gateway.port("imap")) as client:
                    self.assertIn("L1 OK", client.login(*login))
                    mail = message("secrets")
                    client.send(b"A1 APPEND INBOX {%d+}\r\n%b\r\n" % (len(mail), mail))
                    self.assertIn("A1 OK", client.answer("A1"))

    def secrets(self):
        """What no log may show, and what it is."""
        secrets = {
            CLIENT_SECRET: "the client secret", PERSON_PASSWORD: "a person's password at the provider",
            PASSPHRASE: "the passphrase of a client's key", UPSTREAM_PASSWORD: "a stored password", TEXT: "the text of a mail",
        }
        for gateway in Gateway.all:
            for account in gateway.accounts:
                for name, password in account.passwords.items():
                    secrets[password] = f"the local password {name!r} of {account.login}"
                for protocol, server in account.servers().items():
                    if server.password:
                        secrets[server.password] = f"the stored password of {account.login} for {protocol}"
        for token in [*lab.world().provider("issued"), *ISSUED]:
            secrets[token] = "a token"
        return secrets
