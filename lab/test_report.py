"""`saslgate report` after real traffic: everything that a person could mind is sent through a daemon, said by servers and
typed as a password, and none of it is in the report, which says all the same what is wrong."""

import os
import re
import unittest
from unittest import mock

import lab
from gateway import binary
from process import run
from raw import RawImap, RawPop3, RawSmtp
from tenant import SECRET, TENANT, Tenant
from upstream import exchange_imap, exchange_pop3, exchange_smtp
from upstream.exchange import State
from upstream.token import ISSUED
from world import encodings

ANNA, OTHER = f"anna.mueller-kuendigung@{TENANT}", f"bertha.gehaltsliste@{TENANT}"
RECIPIENT = "betriebsrat@heimlich.example"
SUBJECT, BODY, FOLDER = "Abmahnung-Entwurf-17", "Vertraulich: die Fusion im Oktober", "Scheidungsakten"
WRONG_PASSWORD, MISTYPED_LOGIN = "Mein-Bankpasswort-1234", "Mein-Login-ist-Passwort-9876"
SERVER_HOST = "zrh-interner-server-04"
SEEDS = {
    ANNA, OTHER, *(name.split("@")[0] for name in (ANNA, OTHER)), "mueller", "gehaltsliste", TENANT, RECIPIENT, "heimlich",
    SUBJECT, BODY, "Fusion", FOLDER, WRONG_PASSWORD, MISTYPED_LOGIN, SERVER_HOST, SECRET,
}
# What servers say, with everything in it that they could know.
SAID = f"{SERVER_HOST} {ANNA} <{RECIPIENT}> {SUBJECT} {FOLDER} {BODY} {WRONG_PASSWORD}"
MAIL = f"From: <{{}}>\r\nTo: <{RECIPIENT}>\r\nSubject: {SUBJECT}\r\n\r\n{BODY}\r\n"
SECTIONS = ["Versions", "Configuration in force", "Status", "Check", "Trace", "Log"]


class Report(unittest.TestCase):
    def setUp(self):
        self.tenant = self.enterContext(Tenant(lab.world()))
        self.account, self.other = self.tenant.account(ANNA), self.tenant.account(OTHER)
        for server, greeting in (("imap", "* OK"), ("pop3", "+OK"), ("smtp", "220")):
            server = getattr(self.tenant.exchange, server)
            server.answers["greeting"] = f"{greeting} {SAID}\r\n".encode()
        self.enterContext(mock.patch.dict(exchange_imap.VERDICTS, REFUSED=f"{{tag}} NO [AUTHENTICATIONFAILED] {SAID}\r\n"))
        self.enterContext(mock.patch.dict(exchange_pop3.VERDICTS, REFUSED=f"-ERR [AUTH] {SAID}\r\n".encode()))
        self.enterContext(mock.patch.dict(exchange_smtp.VERDICTS, REFUSED=f"535 5.7.3 {SAID}\r\n"))
        self.gateway = self.tenant.gateway("report", [self.account, self.other])
        self.addCleanup(self.gateway.__exit__, None, None, None)
        self.gateway.start()

    def traffic(self):
        """Logins, good and bad, of both accounts, mail in both directions and a folder."""
        for account in (self.account, self.other):
            login = account.login, account.password()
            with RawSmtp(self.gateway.port("smtp")) as client:
                self.assertIn("235", client.login(*login))
                client.envelope(account.login, RECIPIENT)
                self.assertIn("250", client.data(MAIL.format(account.login).encode()))
            with RawPop3(self.gateway.port("pop3")) as client:
                self.assertRegex(client.login(*login), r"\+OK.*\r\n\+OK")
            with RawImap(self.gateway.port("imap")) as client:
                self.assertIn("L1 OK", client.login(*login))
                self.assertIn("C1 OK", client.command("C1", f'CREATE "{FOLDER}"'))
                client.command("C2", f'SELECT "{FOLDER}"')
        for login in (ANNA, WRONG_PASSWORD), (MISTYPED_LOGIN, WRONG_PASSWORD):
            with RawImap(self.gateway.port("imap")) as client:
                self.assertIn("L1 NO", client.login(*login))

    def report(self, *arguments):
        """The report; its sections by name, and what was said on standard error."""
        done = run([binary(), "report", ANNA, *arguments], env=self.gateway.environment())
        text, remarks = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, 0, text + remarks)
        self.assert_clean(text)
        parts = re.split(r"(?m)^## (.+)$", text)
        return dict(zip(parts[1::2], parts[2::2])), remarks

    def assert_clean(self, text):
        secrets = SEEDS | ISSUED | {self.gateway.folder, os.path.basename(self.gateway.folder), self.tenant.ca}
        for account in (self.account, self.other):
            secrets |= {account.client, account.refresh_token, *account.passwords.values()}
        secrets |= {form[key] for form in self.tenant.forms(self.account) for key in form if "token" in key and "urn:" not in form[key]
                    and form[key] != key and form[key] != "refresh_token"}
        self.assertGreater(len(secrets), 25)
        low = text.lower()
        shown = {form for secret in secrets for form in encodings(secret) if form.lower() in low}
        self.assertEqual(shown, set(), text)

    def test_good_servers(self):
        self.traffic()
        report, _ = self.report()
        self.assertEqual(list(report), SECTIONS)
        self.assertRegex(report["Versions"], r"- saslgate \d")
        self.assertIn('provider = "microsoft365" # written', report["Configuration in force"])
        self.assertIn("- local passwords: 1", report["Status"])
        self.assertIn("`login_good`", report["Check"])
        self.assertNotIn(": red", report["Check"])
        for line in (r"tag AUTHENTICATE XOAUTH2", r"tag OK AUTHENTICATE", r"tag EXAMINE INBOX", r"AUTH XOAUTH2", r"334", r"235 2\.7\.0",
                     r"STAT", r"\* CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN"):
            self.assertRegex(report["Trace"], rf"(?m)^[CS] +[<=0-9]+  {line}")
        stand_in = re.search(r"\[\[account\]\] (user\d+@domain\d+\.example)", report["Configuration in force"])[1]
        self.assertIn(f"account={stand_in}", report["Log"])
        self.assertRegex(report["Log"], r"(?m)^\S+Z INFO ")
        # Of the other account there is no line.
        self.assertEqual(set(re.findall(r"account=(\S+)", report["Log"])), {stand_in})

    def test_servers_that_refuse(self):
        self.traffic()
        for state, finding in (State.REFUSED, None), (State.NOT_CONNECTED, "mailbox_permission_missing"), (State.THROTTLED, "server_throttles"):
            with self.subTest(state):
                states = self.tenant.exchange.mailbox(ANNA).states
                states.update(imap=state, pop3=state, smtp=state)
                with RawImap(self.gateway.port("imap")) as client:
                    client.login(ANNA, self.account.password())
                report, _ = self.report()
                self.assertEqual(list(report), SECTIONS)
                self.assertRegex(report["Check"], r"login: (red|yellow)")
                if finding:
                    self.assertIn(f"`{finding}`", report["Check"])
        self.assertIn("432 4.3.2 …", report["Trace"])

    def test_without_a_daemon_there_is_a_file_for_the_log(self):
        self.traffic()
        log = self.gateway.log_path
        self.gateway.stop()
        report, remarks = self.report()
        self.assertNotIn("Log", report)
        self.assertIn("--log FILE", remarks)
        report, _ = self.report("--no-check", "--log", log)
        self.assertNotIn("Trace", report)
        self.assertIn("INFO", report["Log"])
