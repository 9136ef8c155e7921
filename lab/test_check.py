"""`saslgate check` beside a daemon: each thing turned wrong on purpose, and it is found at its step, with the fix that
has the account's own values in it, in both languages; nothing else is red; and the daemon feels nothing of it."""

import json
import re
import unittest
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Callable

import lab
from clients import message
from gateway import Account, Gateway, Server, binary
from process import free_port, run
from raw import RawImap
from tenant import SECRET, TENANT, Tenant
from upstream.directory import OUTLOOK
from upstream.exchange import State
from upstream.exchange_imap import ExchangeImap
from upstream.token import ISSUED
from world import CLIENT_SECRET, encodings

OTHER = "other@lab.test"
ALL_LOGINS = ("login imap", "login pop3", "login smtp")


@dataclass
class Row:
    """One thing that is wrong: how, what is found at which steps, and pieces of the fix."""

    name: str
    # Called with the tenant and the account, before the configuration is written.
    wrong: Callable
    # "kind protocols" -> finding, for all that is not green.
    found: dict
    # Lines to copy, as they are in any language; `{login}` and so on are the account's own values.
    copied: list
    # What a person reads beside.
    en: str
    de: str
    app_only: bool = False
    light: str = "red"
    # For Tenant.account.
    options: dict = field(default_factory=dict)


def port(tenant, account):
    account.imap.port = free_port()


def unknown_ca(tenant, account):
    server(tenant, account, "localhost")


def wrong_name(tenant, account):
    server(tenant, account, "exchange.lab.test")
    account.imap.settings["ca_file"] = f'"{tenant.authority.certificate}"'


def server(tenant, account, host):
    """An IMAP server of its own, with another CA's certificate."""
    imap = tenant.enter(ExchangeImap(tenant.world, tenant.exchange))
    imap.context.load_cert_chain(*tenant.authority.leaf(host))
    account.imap.port = imap.port
    account.imap.settings["ca_file"] = f'"{tenant.world.ca}"'


def state(protocol, state):
    def wrong(tenant, account):
        tenant.exchange.mailbox(account.mailbox or account.login).states[protocol] = state
    return wrong


def off(protocol):
    return lambda tenant, account: tenant.exchange.mailbox(account.login).off.add(protocol)


def policy(code):
    def wrong(tenant, account):
        tenant.directory.policies[account.application.id] = code
    return wrong


def setting(**settings):
    return lambda tenant, account: account.settings.update(settings)


def application(**settings):
    def wrong(tenant, account):
        for name, value in settings.items():
            setattr(account.application, name, value)
    return wrong


def lacks(permission):
    def wrong(tenant, account):
        account.application.scopes.discard(permission)
        account.application.roles.discard(permission)
    return wrong


def signed_in_as_another(tenant, account):
    account.refresh_token = tenant.directory.sign_in(account.application, OTHER)


def no_permission(tenant, account):
    tenant.exchange.mailbox(account.mailbox).full_access.clear()


def wrong_principal(tenant, account):
    # The object id under App registrations: taken, and refused at every login.
    tenant.exchange.principals[account.application.id] = "00000000-0000-0000-0000-000000000009"


def wrong_tenant(tenant, account):
    account.settings["tenant"] = '"unknown.test"'


def not_signed_in(tenant, account):
    account.refresh_token = None


def wrong_client_id(tenant, account):
    account.client = "11111111-2222-3333-4444-555555555555"


def everywhere(finding):
    return {login: finding for login in ALL_LOGINS}


SIGN_IN = "saslgate signin {login}"
APPLICATION = "{client_id}"
SMTP_ON = "Set-CASMailbox -Identity '{mailbox}' -SmtpClientAuthenticationDisabled $false"

ROWS = [
    # The way to a server.
    Row("port", port, {"connect imap": "connection_refused"}, ["port = 993"], "Usual is port 993", "Üblich ist Port 993"),
    Row("ca", unknown_ca, {"tls imap": "certificate_unknown_issuer"}, ["ca_file = "], "another test CA", "another test CA"),
    Row("certificate-name", wrong_name, {"tls imap": "certificate_name_mismatch"}, ['host = "exchange.lab.test"'],
        "exchange.lab.test", "exchange.lab.test"),
    # The token.
    Row("tenant", wrong_tenant, {"credential": "tenant_wrong"}, ['tenant = "lab.test"'],
        "unknown.test", "Mandant unknown.test"),
    Row("client-id", wrong_client_id, {"credential": "client_id_wrong"},
        ['client_id = "{client_id}"', 'tenant = "lab.test"'], "Application (client) ID", "Anwendungs-ID (Client)"),
    Row("secret", application(secret="another"), {"credential": "secret_wrong"}, [APPLICATION],
        "Copy the secret's value", "Kopieren Sie den Wert", options={"secret": SECRET}),
    Row("secret-expired", application(secret_expired=True), {"credential": "secret_expired"},
        [APPLICATION], "has expired", "abgelaufen", options={"secret": SECRET}),
    Row("secret-app-only", application(secret="another"), {"credential": "secret_wrong"}, [APPLICATION],
        "Copy the secret's value", "Kopieren Sie den Wert", app_only=True),
    Row("redirect", policy(50011), {"credential": "redirect_mismatch"}, ["http://localhost", APPLICATION],
        "Register exactly this address", "genau diese Adresse"),
    Row("public", setting(client_secret='{ file = "application-secret" }'), {"credential": "secret_not_wanted"}, [],
        "Remove client_secret", "Entfernen Sie client_secret"),
    Row("confidential", application(secret=SECRET), {"credential": "secret_missing"}, ["client_secret = ", APPLICATION],
        "make a secret", "legen Sie"),
    Row("consent", application(scopes=set()), {"credential": "consent_missing"},
        ["login.microsoftonline.com/lab.test/", APPLICATION], "administrator", "Administrator"),
    Row("conditional-access", policy(53003), {"credential": "conditional_access"}, [],
        "allow the application {client_id}", "die Anwendung {client_id}"),
    Row("conditional-access-app-only", policy(53003), {"credential": "conditional_access"}, [],
        "allow the application {client_id}", "die Anwendung {client_id}", app_only=True),
    Row("frequency", policy(70043), {"credential": "sign_in_frequency"}, [SIGN_IN], "Sign-in frequency", "Anmeldehäufigkeit"),
    Row("revoked", policy(50173), {"credential": "grant_revoked"}, [SIGN_IN], "was revoked", "widerrufen"),
    Row("revoked-without-a-number", policy(70000), {"credential": "grant_revoked"}, [SIGN_IN], "was revoked", "widerrufen"),
    Row("mfa", policy(50076), {"credential": "mfa_needed"}, [SIGN_IN], "second factor", "zweiten Faktor"),
    Row("mfa-not-enrolled", policy(50079), {"credential": "mfa_needed"}, [SIGN_IN], "second factor", "zweiten Faktor"),
    Row("not-signed-in", not_signed_in, {"credential": "sign_in_missing"}, [SIGN_IN], "has not signed in", "angemeldet"),
    Row("throttled-tenant", policy(90055), {"credential": "endpoint_throttled"}, [], "Wait", "Warten Sie", light="yellow"),
    # What it says.
    Row("audience", setting(scopes='["https://graph.microsoft.com/Mail.Send", "offline_access"]'),
        {"claims": "audience_wrong"} | everywhere("audience_wrong"), ["scopes = "],
        "one for https://outlook.office.com is among them", "einer für https://outlook.office.com darunter ist"),
    Row("not-assigned", policy(50105), {"credential": "not_assigned"}, [APPLICATION],
        "Users and groups", "Benutzer und Gruppen"),
    Row("unknown-number", policy(99999), {"credential": "provider_refused"},
        ["https://login.microsoftonline.com/error?code=99999"], "AADSTS99999", "AADSTS99999"),
    Row("scope", lacks("POP.AccessAsUser.All"), {"claims": "scope_missing", "login pop3": "scope_missing"},
        [f"{OUTLOOK}/POP.AccessAsUser.All", APPLICATION], "Delegated permissions", "Delegierte Berechtigungen"),
    Row("role", lacks("SMTP.SendAsApp"), {"claims": "role_missing", "login smtp": "role_missing"},
        ["SMTP.SendAsApp", APPLICATION, "lab.test/"], "Application permissions", "Anwendungsberechtigungen", app_only=True),
    Row("user", signed_in_as_another, {"claims": "user_wrong"} | everywhere("user_wrong"), [SIGN_IN],
        "Sign in as {login}", "als {login} an"),
    # The mailbox.
    Row("permission", no_permission, everywhere("mailbox_permission_missing"),
        ["Add-MailboxPermission -Identity '{mailbox}' -User '{login}' -AccessRights FullAccess"],
        "Let {login} open {mailbox}", "Lassen Sie {login} das Postfach {mailbox} öffnen", options={"mailbox": "info@lab.test"}),
    Row("permission-app-only", no_permission, everywhere("mailbox_permission_missing"),
        ["Add-MailboxPermission -Identity '{mailbox}' -User "], "Let the application open {mailbox}",
        "Lassen Sie die Anwendung {mailbox} öffnen", app_only=True, options={"mailbox": "office@lab.test"}),
    Row("service-principal", wrong_principal, everywhere("service_principal_wrong"),
        ["New-ServicePrincipal -AppId '{client_id}' -ObjectId "], "Enterprise applications", "Unternehmensanwendungen",
        app_only=True),
    Row("imap-off", off("imap"), {"login imap": "protocol_off"}, ["Set-CASMailbox -Identity '{mailbox}' -ImapEnabled $true"],
        "Switch IMAP on for {mailbox}", "Schalten Sie IMAP für {mailbox} ein"),
    Row("imap-off-in-other-words", state("imap", State.NOT_CONNECTED), {"login imap": "protocol_off"},
        ["Set-CASMailbox -Identity '{mailbox}' -ImapEnabled $true"], "Switch IMAP on", "Schalten Sie IMAP"),
    Row("imap-off-app-only", off("imap"), {"login imap": "protocol_off"},
        ["Set-CASMailbox -Identity '{mailbox}' -ImapEnabled $true"], "Switch IMAP on", "Schalten Sie IMAP", app_only=True),
    Row("pop3-off", off("pop3"), {"login pop3": "protocol_off"}, ["Set-CASMailbox -Identity '{mailbox}' -PopEnabled $true"],
        "Switch POP3 on", "Schalten Sie POP3"),
    Row("smtp-off-for-tenant", state("smtp", State.OFF_FOR_TENANT), {"login smtp": "smtp_auth_off_for_tenant"},
        [SMTP_ON, "Set-TransportConfig -SmtpClientAuthenticationDisabled $false"], "whole tenant", "ganzen Mandanten"),
    Row("smtp-off-for-mailbox", state("smtp", State.OFF_FOR_MAILBOX), {"login smtp": "smtp_auth_off_for_mailbox"},
        [SMTP_ON], "Allow SMTP AUTH for the mailbox {mailbox}", "Erlauben Sie SMTP AUTH allein für das Postfach {mailbox}"),
    Row("security-defaults", state("smtp", State.SECURITY_DEFAULTS), {"login smtp": "security_defaults"}, [SMTP_ON],
        "security defaults", "Sicherheitsstandards"),
    Row("throttled", state("smtp", State.THROTTLED), {"login smtp": "server_throttles"}, [], "connection_limit",
        "connection_limit", light="yellow"),
    Row("imap-unavailable", state("imap", State.UNAVAILABLE), {"login imap": "server_throttles"}, [], "Wait some minutes",
        "Warten Sie einige Minuten", light="yellow"),
    # The test mail.
    Row("sender", state("smtp", State.SEND_AS_DENIED), {"mail smtp": "sender_not_allowed"},
        ["Add-RecipientPermission -Identity '{mailbox}' -Trustee '{login}' -AccessRights SendAs"],
        "send as {mailbox}", "als {mailbox} zu senden"),
    Row("sender-in-older-words", state("smtp", State.NO_SEND_AS), {"mail smtp": "sender_not_allowed"},
        ["Add-RecipientPermission -Identity '{mailbox}'"], "send as {mailbox}", "als {mailbox} zu senden"),
    Row("thread-limit", state("smtp", State.THREAD_LIMIT), {"mail smtp": "server_throttles"}, [], "Wait some minutes",
        "Warten Sie einige Minuten", light="yellow"),
]
LANGUAGES = ("en", "de")
EXIT = {"green": 0, "yellow": 1, "red": 2}


class Case(unittest.TestCase):
    """Whatever is printed holds no secret."""

    secrets = {SECRET, CLIENT_SECRET}

    @classmethod
    def check(cls, gateway, account, *arguments, mail=True):
        """`saslgate check` of one account: (exit code, what it printed)."""
        to = account.mailbox or account.login
        mail = ["--send-to", to, "--wait=20s"] if mail else []
        return cls.saslgate(gateway, "check", account.login, *mail, *arguments)

    @classmethod
    def saslgate(cls, gateway, *arguments):
        done = run([binary(), *arguments], env=gateway.environment())
        printed = (done.stdout + done.stderr).decode()
        hidden = cls.secrets | ISSUED | set(lab.world().provider("issued"))
        hidden |= {password for account in gateway.accounts for password in account.passwords.values()}
        shown = [form for secret in hidden for form in encodings(secret) if form in printed]
        assert not shown, f"a secret in what is printed: {shown}"
        return done.returncode, printed

    @classmethod
    def report(cls, gateway, account, *arguments, **options):
        """(exit code, the account's part of --json)."""
        code, printed = cls.check(gateway, account, "--json", *arguments, **options)
        assert printed.startswith("{"), printed
        (report,) = json.loads(printed)["accounts"]
        return code, report


def name_of(step):
    """`login imap`; of steps for all servers, the kind alone."""
    protocols = step["protocols"]
    return " ".join([step["kind"], *(it.lower() for it in protocols)]) if len(protocols) < 3 else step["kind"]


def not_green(report):
    """Step -> finding, of all that was found and is not as it should be."""
    return {
        name_of(step): next(it["id"] for it in step["findings"] if it["light"] == step["light"])
        for step in report["steps"] if step["light"] in ("yellow", "red")
    }


class Table(Case):
    """Every row at once: an account for each, one daemon for all."""

    @classmethod
    def setUpClass(cls):
        world = lab.world()
        cls.tenant = cls.enterClassContext(Tenant(world))
        cls.tenant.exchange.mailbox(OTHER)
        cls.accounts = {}
        for row in ROWS:
            account = cls.tenant.account(f"{row.name}@{TENANT}", app_only=row.app_only, **row.options)
            row.wrong(cls.tenant, account)
            cls.accounts[row.name] = account
        cls.gateway = cls.tenant.gateway("check", list(cls.accounts.values()))
        cls.addClassCleanup(cls.gateway.__exit__, None, None, None)
        cls.gateway.start()
        with ThreadPoolExecutor(3) as pool:
            found = {row.name: pool.submit(cls.check, cls.gateway, cls.accounts[row.name], "--json") for row in ROWS}
            cls.found = {name: it.result() for name, it in found.items()}
            # All in one, as an administrator does.
            texts = {language: pool.submit(cls.everything, language) for language in LANGUAGES}
            cls.texts = {language: it.result() for language, it in texts.items()}

    @classmethod
    def everything(cls, language):
        """What `check --all` says of each account."""
        code, printed = cls.saslgate(cls.gateway, "check", "--all", "--send-to", OTHER, "--lang", language)
        assert code == 2, printed
        parts = re.split(r"(?m)^(\S+)@lab\.test \(microsoft365\)$", printed)
        return dict(zip(parts[1::2], parts[2::2]))

    def test_every_row_is_found_at_its_step(self):
        for row in ROWS:
            with self.subTest(row.name):
                code, printed = self.found[row.name]
                report = json.loads(printed)["accounts"][0]
                self.assertEqual(not_green(report), row.found, printed)
                self.assertEqual((code, report["light"]), (EXIT[row.light], row.light))
                # What a token says is yellow at most: the login that is refused because of it is where to begin.
                first = next(step for step in report["steps"] if name_of(step) in row.found and step["light"] == row.light)
                self.assertEqual(report["begin_at"], first["number"])
                self.check_waiting(report, row)

    def check_waiting(self, report, row):
        """A step that was not tried waits for one that is not green."""
        steps = {step["number"]: step for step in report["steps"]}
        self.assertEqual(sorted(steps), list(range(1, len(steps) + 1)))
        for step in steps.values():
            if step["light"] is None:
                self.assertIn(steps[step["waits_for"]]["light"], ("yellow", "red"), step)
            else:
                self.assertIsNone(step["waits_for"])

    def test_every_fix_has_the_accounts_own_values_in_both_languages(self):
        for row in ROWS:
            account = self.accounts[row.name]
            own = {
                "login": account.login, "mailbox": account.mailbox or account.login, "client_id": account.client,
            }
            for language, words in (("en", row.en), ("de", row.de)):
                with self.subTest(row.name, language=language):
                    printed = self.texts[language][row.name]
                    # Sentences are wrapped.
                    read = re.sub(r"\s+", " ", printed)
                    self.assertIn(words.format(**own), read)
                    for line in row.copied:
                        # What is copied is not.
                        self.assertIn(line.format(**own), printed)

    def test_the_languages_are_two(self):
        for row in ROWS:
            self.assertNotEqual(self.texts["en"][row.name], self.texts["de"][row.name], row.name)


class Green(Case):
    def assert_green(self, gateway, account):
        code, report = self.report(gateway, account)
        self.assertEqual((not_green(report), code, report["light"]), ({}, 0, "green"), report)
        self.assertEqual([step for step in report["steps"] if step["light"] is None], [])
        found = {finding["id"] for step in report["steps"] for finding in step["findings"]}
        self.assertLessEqual({"local_side_good", "tls_good", "token_good", "login_good", "inbox_good", "mail_sent",
                              "mail_arrived"}, found)
        # Without a test mail the one step for it is yellow, and hides nothing.
        code, report = self.report(gateway, account, mail=False)
        self.assertEqual((not_green(report), code), ({"mail smtp": "mail_not_sent"}, 1))
        for language, words in (("en", "The server took the test mail"), ("de", "Testmail")):
            code, printed = self.check(gateway, account, "--lang", language)
            self.assertEqual(code, 0, printed)
            self.assertIn(words.lower(), re.sub(r"\s+", " ", printed).lower())

    def test_exchange_with_a_person_and_with_an_application(self):
        tenant = self.enterContext(Tenant(lab.world()))
        accounts = [tenant.account(f"anna@{TENANT}"), tenant.account(f"robot@{TENANT}", app_only=True)]
        gateway = tenant.gateway("check-green", accounts)
        self.addCleanup(gateway.__exit__, None, None, None)
        gateway.start()
        for account in accounts:
            with self.subTest(account.login):
                self.assert_green(gateway, account)
        code, printed = self.saslgate(gateway, "check", "--all", "--no-mail", "--json")
        self.assertEqual([it["login"] for it in json.loads(printed)["accounts"]], [it.login for it in accounts])
        self.assertEqual(code, 0)

    def test_the_labs_real_servers(self):
        world = lab.world()
        if not world.postfix:
            self.skipTest("Postfix runs as root only")
        account = Account(
            "alice@lab.test", "robot", Server(world.dovecot.imaps), Server(world.dovecot.pop3s),
            Server(world.postfix.submission, tls="starttls"),
        )
        with Gateway(world, "check-real", [account]) as gateway:
            self.assert_green(gateway, account)
            with RawImap(gateway.port("imap")) as client:
                self.assertIn("L1 OK", client.login(account.login, account.password()))

    def test_without_a_daemon_it_is_yellow(self):
        tenant = self.enterContext(Tenant(lab.world()))
        account = tenant.account(f"anna@{TENANT}")
        gateway = tenant.gateway("check-alone", [account])
        code, report = self.report(gateway, account)
        self.assertEqual((not_green(report), code), ({"local_side": "daemon_not_running"}, 1))


class BesideADaemon(Case):
    def setUp(self):
        self.tenant = self.enterContext(Tenant(lab.world()))
        self.account = self.tenant.account(f"anna@{TENANT}")
        self.gateway = self.tenant.gateway(self.id().split(".")[-1][:40], [self.account])
        self.addCleanup(self.gateway.__exit__, None, None, None)
        self.gateway.start()

    def refresh_tokens(self):
        """Those shown so far, in order."""
        return [form["refresh_token"] for form in self.tenant.forms(self.account)]

    def log_in(self):
        with RawImap(self.gateway.port("imap")) as client:
            return client.login(self.account.login, self.account.password())

    def test_a_session_that_idles_goes_on(self):
        mailbox = self.tenant.exchange.mailbox(self.account.login)
        with RawImap(self.gateway.port("imap")) as client:
            client.login(self.account.login, self.account.password())
            client.command("S1", "SELECT INBOX")
            client.send("I1 IDLE\r\n")
            self.assertTrue(client.line().startswith(b"+ "))
            self.assertEqual(self.report(self.gateway, self.account)[0], 0)
            # The test mail; and one more, after the check.
            self.assertEqual(client.line(), b"* 1 EXISTS\r\n")
            mailbox.deliver(message("after-the-check"))
            self.assertEqual(client.line(), b"* 2 EXISTS\r\n")
            client.send("DONE\r\n")
            self.assertIn("I1 OK", client.answer("I1"))
        # The daemon's token was good: nobody was asked for another.
        self.assertEqual(len(self.refresh_tokens()), 1)

    def test_a_check_before_any_login_fetches_the_token_that_the_daemon_then_uses(self):
        self.assertEqual(self.report(self.gateway, self.account)[0], 0)
        self.assertEqual(self.refresh_tokens(), [self.account.refresh_token])
        self.assertIn("L1 OK", self.log_in())
        self.assertEqual(len(self.refresh_tokens()), 1)
        self.gateway.stop()
        self.gateway.start(later=61)
        self.assertIn("L1 OK", self.log_in())
        first, second = self.refresh_tokens()
        self.assertNotEqual(first, second, "the successor was stored")

    def test_a_refused_account_costs_one_refresh_and_the_daemon_recovers(self):
        self.tenant.exchange.mailbox(self.account.login).states["smtp"] = State.REFUSED
        self.assertIn("L1 OK", self.log_in())
        for _ in range(3):
            self.assertEqual(self.report(self.gateway, self.account)[0], 2)
        self.assertLessEqual(len(self.refresh_tokens()), 2)
        self.tenant.exchange.mailbox(self.account.login).states.clear()
        self.assertIn("L1 OK", self.log_in())
        self.assertEqual(self.report(self.gateway, self.account)[0], 0)

    def test_a_dead_sign_in_is_found_and_a_new_one_is_green(self):
        self.tenant.directory.policies[self.account.application.id] = 70043
        _, report = self.report(self.gateway, self.account)
        self.assertEqual(not_green(report), {"credential": "sign_in_frequency"})
        del self.tenant.directory.policies[self.account.application.id]
        again = self.tenant.directory.sign_in(self.account.application, self.account.login)
        self.gateway.command("account", "import-token", self.account.login, stdin=again)
        self.assertEqual(self.report(self.gateway, self.account)[0], 0)
        self.assertIn("L1 OK", self.log_in())
