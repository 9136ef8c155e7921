"""What a provider may answer, row by row: what the client hears, what the log says, how `status` sees it and
what it tells people to do; and the ways of a token endpoint to fail that pass by themselves."""

import json
import os
import re
import unittest
from concurrent.futures import ThreadPoolExecutor

import lab
from gateway import Account, Gateway, binary
from process import run, wait_until
from raw import RawImap, RawPop3, RawSmtp
from test_tokens import at_once
from upstream.imap import RecordingImap
from upstream.token import Answer, Endless, Grant, Hang, Refusal, Reset, ScriptedEndpoint, after
from world import ROOT

# One for each row of src/token/advice.rs: (error, AADSTS number, whose turn it is, what people read).
ROWS = [
    ("invalid_grant", 700082, "sign_in", "was not used for too long"),
    ("invalid_grant", 70043, "sign_in", "sign-in frequency"),
    ("invalid_grant", 50173, "sign_in", "revoked or the password has changed"),
    ("interaction_required", 50076, "sign_in", "multi-factor"),
    ("interaction_required", 53003, "policy", "conditional access"),
    ("invalid_grant", 65001, "sign_in", "agreed to the application's permissions"),
    ("invalid_scope", 70011, "configuration", "does not know a scope or resource"),
    ("invalid_client", 7000215, "configuration", "client secret is wrong"),
    ("invalid_client", 7000222, "configuration", "client secret has expired"),
    ("invalid_client", 7000218, "configuration", "wants a client secret"),
    ("invalid_client", 700025, "configuration", "public application"),
    ("invalid_client", 700027, "configuration", "credentials"),
    ("invalid_client", 700213, "configuration", "no federated credential that fits"),
    ("invalid_client", 700024, "configuration", "not valid at this time"),
    ("unauthorized_client", 700016, "configuration", "does not know the application in this tenant"),
    ("unauthorized_client", 7000112, "policy", "application is disabled"),
    ("invalid_grant", 50105, "policy", "not assigned to the application"),
    ("invalid_request", 90002, "configuration", "tenant does not exist"),
    ("invalid_grant", 50034, "configuration", "does not know the user"),
    ("invalid_request", 50011, "configuration", "redirect address"),
    ("invalid_grant", 50053, "policy", "user is locked"),
    ("invalid_grant", 50055, "sign_in", "password has expired"),
    ("invalid_grant", 50057, "policy", "user is disabled"),
    ("invalid_grant", 50126, "sign_in", "password is wrong"),
    ("temporarily_unavailable", 90033, "passing", "passing fault"),
    ("invalid_grant", None, "sign_in", "ended or was revoked"),
    ("login_required", None, "sign_in", "wants to see the user"),
    ("consent_required", None, "sign_in", "agreed to the application's permissions"),
    ("access_denied", None, "policy", "access is forbidden"),
    ("invalid_client", None, "configuration", "credentials"),
    ("unauthorized_client", None, "configuration", "does not allow this grant"),
    ("invalid_scope", None, "configuration", "does not know a scope or resource"),
    ("server_error", None, "passing", "passing fault"),
    ("never_heard_of", None, "configuration", "does not accept the request"),
]

# Whose turn it is: state and standing in `status --json`, exit code, POP3's code. IMAP and SMTP have one code
# for all, on which programs keep the password.
TURNS = {
    "sign_in": ("sign_in_needed", "action", 1, "SYS/PERM"),
    "policy": ("policy", "action", 1, "SYS/PERM"),
    "configuration": ("configuration", "action", 1, "SYS/PERM"),
    "passing": ("trouble", "passing", 3, "SYS/TEMP"),
}


def status(gateway, *login):
    """`saslgate status --json`: (exit code, what it says)."""
    done = run([binary(), "status", *login, "--json"], env=gateway.environment())
    return done.returncode, json.loads(done.stdout or b"null")


class Case(unittest.TestCase):
    def setUp(self):
        self.world = lab.world()
        self.endpoint = self.enterContext(ScriptedEndpoint(self.world))
        self.upstream = self.enterContext(RecordingImap(self.world))

    def account(self, name, answer, protocols=("imap",), signed_in=True, **settings):
        """One whose endpoint gives this answer."""
        self.endpoint.answers[name] = answer
        servers = {protocol: self.upstream.port for protocol in protocols}
        return Account(
            f"{name}@lab.test", "scripted", grant="refresh_token", signed_in=False, **servers,
            settings={"token_url": f'"{self.endpoint.url(name)}"', **settings},
        )

    def start(self, accounts, settings=""):
        name = f"{self.id().split('.')[-1]}-{len(Gateway.all)}"
        gateway = Gateway(self.world, name, accounts, settings=settings)
        self.addCleanup(gateway.__exit__, None, None, None)

        def prepare(account):
            gateway.command("account", "password", account.login, stdin=account.password())
            gateway.command("account", "import-token", account.login, stdin=f"Refresh-{account.login}")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(prepare, accounts))
        gateway.start()
        self.gateway = gateway

    def imap(self, account):
        with RawImap(self.gateway.port("imap")) as client:
            return client.login(account.login, account.password())

    def smtp(self, account):
        with RawSmtp(self.gateway.port("smtp")) as client:
            return client.login(account.login, account.password())

    def pop3(self, account):
        with RawPop3(self.gateway.port("pop3")) as client:
            return client.login(account.login, account.password())


class Table(Case):
    def test_no_row_is_forgotten(self):
        with open(os.path.join(ROOT, "src", "token", "advice.rs"), encoding="utf-8") as file:
            source = file.read()
        rows = [re.findall(r'\d+|"\w+"', row) for row in re.findall(r"^    row\(&\[(.+?)\], ", source, re.M)]
        self.assertGreater(len(rows), 20)
        played = {str(code) if code else f'"{error}"' for error, code, *_ in ROWS}
        self.assertEqual([row for row in rows if not played & set(row)], [])

    def test_every_row(self):
        accounts = []
        for number, (error, code, *_) in enumerate(ROWS):
            refusal = Refusal(error, code, 401 if error == "invalid_client" else 400)
            accounts.append(self.account(f"row-{number}", refusal, ("imap", "smtp", "pop3")))
        self.start(accounts)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda it: (self.imap(it), self.smtp(it), self.pop3(it)), accounts))
        _, report = status(self.gateway)
        found = {entry["login"]: entry for entry in report["accounts"]}
        log = self.gateway.log()
        for row, account, heard in zip(ROWS, accounts, answers):
            with self.subTest(row=row):
                self.check_client(row, heard)
                self.check_log(row, account, log)
                self.check_status(row, account, found[account.login])
                if row[2] != "passing":
                    self.assertEqual(len(self.endpoint.forms(account.login.split("@")[0])), 1, "it was asked once")
        for turn, (_, standing, exit_code, _) in TURNS.items():
            account = accounts[[row[2] for row in ROWS].index(turn)]
            with self.subTest(turn=turn):
                code, report = status(self.gateway, account.login)
                self.assertEqual((code, report["standing"]), (exit_code, standing))

    def check_client(self, row, heard):
        _, _, turn, words = row
        imap, smtp, pop3 = heard
        self.assertIn("L1 NO [UNAVAILABLE]", imap)
        # What a person can mend is shown to the person.
        self.assertEqual("* NO [ALERT]" in imap, turn != "passing", imap)
        self.assertTrue(smtp.startswith("454"), smtp)
        self.assertIn(f"-ERR [{TURNS[turn][3]}]", pop3)
        for answer in (imap, unfolded(smtp), pop3):
            self.assertIn(words, answer)

    def check_log(self, row, account, log):
        lines = [line for line in log.splitlines() if f"account={account.login}" in line and row[3] in line]
        self.assertTrue(any(" WARN " in line or " ERROR " in line for line in lines), lines)
        if row[1]:
            self.assertTrue(any(f"AADSTS{row[1]}" in line for line in lines), lines)

    def check_status(self, row, account, entry):
        _, _, turn, words = row
        self.assertEqual(entry["state"], TURNS[turn][0], entry)
        self.assertIn(words, entry["failure"]["text"])
        step = entry["next_step"] or ""
        if turn == "sign_in":
            self.assertEqual(step, f"saslgate signin {account.login}")
        else:
            self.assertIn({"policy": "administrator", "configuration": "reload", "passing": ""}[turn], step)


class Passing(Case):
    """Faults that are nobody's to mend: the sign-in stays, and nobody hears of a wrong password."""

    def test_each_fault_and_then_all_is_well(self):
        faults = {
            "throttled": Refusal("temporarily_unavailable", status=429, Retry_After="2"),
            "throttled-until": Refusal("temporarily_unavailable", status=429, Retry_After=after(3)),
            "internal": Answer(500, b"oops"), "gateway": Answer(502, b"<html>"), "busy": Answer(503, b""),
            "hang": Hang(), "reset": Reset(), "endless": Endless(),
            "redirect": Answer(302, b"", {"Location": "https://localhost:1/elsewhere"}),
            "nonsense": Answer(200, b"<html>Please accept our cookies</html>"), "empty": Answer(200, b""),
            "no-token": Answer(200, {"token_type": "Bearer", "expires_in": 3600}),
        }
        accounts = [self.account(name, [fault, Grant()]) for name, fault in faults.items()]
        self.start(accounts, settings='[deadlines]\ntoken = "2s"\n')
        with ThreadPoolExecutor(len(accounts)) as pool:
            answers = list(pool.map(self.imap, accounts))
        for account, answer in zip(accounts, answers):
            with self.subTest(account=account.login, moment="fault"):
                self.assertIn("L1 NO [UNAVAILABLE]", answer)
        with ThreadPoolExecutor(len(accounts)) as pool:
            list(pool.map(self.wait_for_login, accounts))
        for name in faults:
            with self.subTest(fault=name):
                # The same refresh token: none was lost and no other was made up.
                tokens = {form["refresh_token"] for form in self.endpoint.forms(name)}
                self.assertEqual(tokens, {f"Refresh-{name}@lab.test"})
                self.assertEqual(len(self.endpoint.forms(name)), 2, "it waits before it asks again")

    def wait_for_login(self, account):
        wait_until(lambda: "L1 OK" in self.imap(account), f"a login of {account.login} after the fault")

    def test_retry_after_is_honoured(self):
        account = self.account("patient", [Refusal("temporarily_unavailable", status=429, Retry_After="3600"), Grant()])
        self.start([account])
        for _ in range(3):
            self.assertIn("L1 NO [UNAVAILABLE]", self.imap(account))
        self.assertEqual(len(self.endpoint.forms("patient")), 1)

    def test_nobody_hears_of_it_while_the_old_token_lasts(self):
        account = self.account("unheard", [Grant(), Answer(503, b"")], fresh_percent="95")
        self.start([account])
        self.assertIn("L1 OK", self.imap(account))
        self.gateway.stop()
        # Old enough to be renewed, and good for half an hour more.
        self.gateway.start(later=30)
        for _ in range(3):
            self.assertIn("L1 OK", self.imap(account))
        self.assertGreater(len(self.endpoint.forms("unheard")), 1)
        self.assertEqual(len(set(self.upstream.tokens)), 1)

    def test_a_hundred_logins_at_the_moment_of_expiry_are_one_refresh(self):
        account = self.account("crowd", Grant(), connection_limit="200")
        self.start([account])
        self.assertIn("L1 OK", self.imap(account))
        self.gateway.stop()
        self.gateway.start(later=61)
        answers = at_once(100, lambda: self.imap(account))
        self.assertEqual([answer for answer in answers if "L1 OK" not in answer], [])
        self.assertEqual(len(self.endpoint.forms("crowd")), 2)


class Hooks(Case):
    def test_a_dead_sign_in_is_told_and_a_new_one_works_without_a_restart(self):
        told, hook = self.world.path("told"), self.world.path("hook")
        with open(hook, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n(cat; echo) >> {told}\n")
        os.chmod(hook, 0o700)
        account = self.account("mourned", [Refusal("invalid_grant", 700082), Grant()])
        self.start([account], settings=f'[hooks]\ncommand = ["{hook}"]\n')
        self.assertIn("* NO [ALERT]", self.imap(account))
        death = self.wait_for_event(told, 0)
        self.assertEqual((death["account"], death["state"]), (account.login, "sign_in_needed"))
        self.assertIn("was not used for too long", death["reason"])
        self.assertIn(f"saslgate signin {account.login}", death["next_step"])
        self.gateway.command("account", "import-token", account.login, stdin="Refresh-another")
        wait_until(lambda: "L1 OK" in self.imap(account), "a login after the new sign-in")
        self.assertEqual(self.wait_for_event(told, 1)["state"], "ok")
        self.assertEqual([form["refresh_token"] for form in self.endpoint.forms("mourned")],
                         [f"Refresh-{account.login}", "Refresh-another"])

    def wait_for_event(self, path, number):
        def events():
            if not os.path.exists(path):
                return []
            with open(path, encoding="utf-8") as file:
                return [json.loads(line) for line in file if line.strip()]

        return wait_until(lambda: len(events()) > number and events(), f"event {number} of the hook")[number]


class GoodAnswers(Case):
    """Each form that a good answer may have."""

    def test_expires_in(self):
        for name, written in (("number", 3600), ("text", "3600"), ("missing", None), ("float", 3600.5), ("odd", "soon")):
            with self.subTest(expires_in=written):
                account = self.account(f"expires-{name}", Grant(expires_in=written))
                self.start([account])
                for _ in range(2):
                    self.assertIn("L1 OK", self.imap(account))
                self.assertEqual(len(self.endpoint.forms(f"expires-{name}")), 1)
                self.doCleanups()
                self.setUp()

    def test_no_new_refresh_token(self):
        self.assertEqual(self.refresh_four_times("constant", lambda form: Grant()), ["Refresh-constant@lab.test"] * 4)

    def test_a_new_one_each_time(self):
        given = []

        def rotate(form):
            given.append(f"Rotated-{len(given)}")
            return Grant(refresh_token=given[-1])

        shown = self.refresh_four_times("rotating", rotate)
        self.assertEqual(shown, ["Refresh-rotating@lab.test", *given[:3]])

    def refresh_four_times(self, name, answer):
        """An hour after the other, with kill -9 in between; the refresh tokens that were shown."""
        account = self.account(name, answer)
        self.start([account])
        for hour in range(4):
            if hour:
                self.gateway.kill()
                self.gateway.start(later=61 * hour)
            self.assertIn("L1 OK", self.imap(account))
        return [form["refresh_token"] for form in self.endpoint.forms(name)]


def unfolded(reply):
    """An SMTP reply's lines as one sentence."""
    return " ".join(re.sub(r"^\d{3}[ -](\d\.\d+\.\d+ )?", "", line) for line in reply.splitlines())
