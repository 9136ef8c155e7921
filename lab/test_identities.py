"""One login and many mailboxes: aliases, shared mailboxes, borrowed tokens, whole domains.

Dovecot believes a token for its own mailbox only, so what the mail servers hear is judged on recording ones.
"""

import imaplib
import json
import poplib
import re
import smtplib
import unittest

import lab
from browser import Person
from gateway import Account, Gateway
from process import LabError, run, wait_until
from raw import RawImap, RawPop3, RawSmtp
from signin import SignIn
from test_errors import status
from upstream.imap import RecordingImap
from upstream.pop3 import RecordingPop3
from upstream.smtp import RecordingSmtp
from upstream.token import Grant, Refusal, ScriptedEndpoint

ANNA, INFO, SALES, DOMAIN = "anna@lab.test", "info@lab.test", "sales@lab.test", "*@lab.test"
PROTOCOLS = {"imap": RawImap, "pop3": RawPop3, "smtp": RawSmtp}
WELCOME = {"imap": r"L1 OK", "pop3": r"\+OK.*\r\n\+OK", "smtp": r"235"}


class Case(unittest.TestCase):
    """Recording servers for each protocol, and a token endpoint that counts."""

    def setUp(self):
        self.world = lab.world()
        self.endpoint = self.enterContext(ScriptedEndpoint(self.world))
        self.endpoint.answers["all"] = lambda form: Grant(refresh=form["grant_type"] == "refresh_token")
        kinds = {"imap": RecordingImap, "pop3": RecordingPop3, "smtp": RecordingSmtp}
        self.upstreams = {protocol: self.enterContext(kind(self.world)) for protocol, kind in kinds.items()}

    def account(self, login, grant="refresh_token", **settings):
        """One with servers and tokens of its own. The provider knows `robot`, so it has a client secret."""
        servers = {protocol: upstream.port for protocol, upstream in self.upstreams.items()}
        settings = {key: json.dumps(value) for key, value in settings.items()}
        return Account(
            login, "robot" if grant == "client_credentials" else "scripted", **servers, grant=grant, signed_in=False,
            settings={"token_url": f'"{self.endpoint.url("all")}"', **settings},
        )

    def borrower(self, login, owner, **settings):
        """One that uses the tokens of another."""
        settings = {key: json.dumps(value) for key, value in settings.items()}
        return Account(login, None, settings={"token_from": f'"{owner}"', **settings})

    def start(self, *accounts, signed_in=True):
        self.gateway = Gateway(
            self.world, f"identities-{len(Gateway.all)}", accounts, settings='[deadlines]\nfailed_login_delay = "10ms"\n'
        )
        self.addCleanup(self.gateway.__exit__, None, None, None)
        for account in accounts:
            if "*" not in account.login:
                self.set_password(account, account.login)
            if account.grant == "refresh_token" and account.client and signed_in:
                self.gateway.command("account", "import-token", account.login, stdin=f"Refresh-{account.login}")
        self.gateway.start()

    def set_password(self, account, login):
        """A local password of that login, which the search for secrets hears of."""
        password = account.password(login)
        self.gateway.command("account", "password", login, stdin=password)
        return password

    def log_in(self, protocol, user, password):
        """(client, answer), the client on a connection of its own."""
        client = self.enterContext(PROTOCOLS[protocol](self.gateway.port(protocol)))
        return client, client.login(user, password)

    def opens(self, protocol, user, password, mailbox):
        """The login works, and the server of that protocol hears of this mailbox; the client."""
        upstream = self.upstreams[protocol]
        known = len(upstream.tokens)
        client, answer = self.log_in(protocol, user, password)
        self.assertRegex(answer, WELCOME[protocol], user)
        believed = [session for session in upstream.sessions if session.token][known:]
        self.assertEqual([session.user for session in believed], [mailbox])
        return client

    def open_everywhere(self, user, password, mailbox, smtp=None):
        for protocol in PROTOCOLS:
            self.opens(protocol, user, password, smtp if protocol == "smtp" and smtp else mailbox)

    def assert_wrong(self, user, password):
        """It is answered, by every protocol, as anybody's wrong password is."""
        for protocol in PROTOCOLS:
            expected = self.log_in(protocol, "nobody@nowhere.test", "wrong")[1]
            self.assertEqual(self.log_in(protocol, user, password)[1], expected, (protocol, user))

    def assert_alive(self, client):
        self.assertIn("N1 OK", client.command("N1", "NOOP"))

    def asked(self):
        return len(self.endpoint.forms("all"))


class Names(Case):
    def test_an_alias_logs_in(self):
        anna = self.account(ANNA, aliases=["scanner", "anna"])
        self.start(anna)
        for user in ("scanner", "ANNA", "LAB\\scanner", ANNA.upper()):
            self.open_everywhere(user, anna.password(ANNA), ANNA)
        self.assertEqual(self.asked(), 1)
        self.assert_wrong("scanne", anna.password(ANNA))

    def test_each_protocol_may_open_another_mailbox(self):
        anna = self.account(ANNA)
        anna.smtp = self.server("smtp", mailbox='"outbox@lab.test"')
        self.start(anna)
        self.open_everywhere(ANNA, anna.password(ANNA), ANNA, smtp="outbox@lab.test")

    def server(self, protocol, **settings):
        server = self.account("x").servers()[protocol]
        server.settings = settings
        return server


class Shared(Case):
    FORMS = (f"anna\\{INFO}", f"anna/{INFO}", f"LAB\\anna\\{INFO}", f"{ANNA}\\{INFO}", f"LAB/{ANNA}/{INFO.upper()}")

    def test_imap_and_pop3_open_it_and_smtp_is_the_shared_mailbox(self):
        anna = self.account(ANNA, aliases=["anna"], shared=[INFO])
        self.start(anna)
        for user in self.FORMS:
            self.open_everywhere(user, anna.password(ANNA), INFO)
        self.assertEqual(self.asked(), 1)
        # The provider decides on what is not listed, for it knows the person.
        self.open_everywhere(f"anna\\{SALES}", anna.password(ANNA), SALES)
        self.assert_wrong(f"anna\\{INFO}", "wrong")
        self.assert_wrong(f"otto\\{INFO}", anna.password(ANNA))

    def test_smtp_is_the_delegate(self):
        anna = self.account(ANNA, aliases=["anna"], shared=[INFO], shared_smtp="delegate")
        self.start(anna)
        for user in self.FORMS:
            self.open_everywhere(user, anna.password(ANNA), INFO, smtp=ANNA)

    def test_an_application_opens_listed_ones_only(self):
        anna = self.account(ANNA, "client_credentials", aliases=["anna"], shared=[INFO])
        self.start(anna)
        self.open_everywhere(f"anna\\{INFO}", anna.password(ANNA), INFO)
        self.assert_wrong(f"anna\\{SALES}", anna.password(ANNA))

    def test_a_mailbox_without_permission_is_the_servers_no(self):
        anna = self.account(ANNA, aliases=["anna"])
        self.start(anna)
        self.upstreams["imap"].refuse = lambda token: True
        _, answer = self.log_in("imap", f"anna\\{SALES}", anna.password(ANNA))
        self.assertIn("L1 NO [CONTACTADMIN]", answer)

    def test_the_log_says_which_mailbox_and_whose_password(self):
        anna = self.account(ANNA, aliases=["anna"])
        self.start(anna)
        self.opens("imap", f"anna\\{INFO}", anna.password(ANNA), INFO)
        self.assertRegex(self.gateway.log(), rf"logged in.*account={ANNA} mailbox=\"?{INFO}")

    def test_the_command_says_whose_password_it_sets(self):
        anna = self.account(ANNA, aliases=["anna"], shared=[INFO])
        self.start(anna)
        name = f"anna\\{INFO}"
        # Anna's own is not replaced by the way.
        self.gateway.command("account", "password", name, stdin="another", fails=True)
        self.opens("imap", ANNA, anna.password(ANNA), ANNA)
        through = anna.password("through the shared one")
        self.assertIn(f'The password "shared" of {ANNA} is set', self.gateway.command(
            "account", "password", name, "--name", "shared", stdin=through
        ))
        self.opens("imap", ANNA, through, ANNA)

    def test_a_reload_with_a_shorter_list_ends_its_sessions_only(self):
        anna = self.account(ANNA, "client_credentials", aliases=["anna"], shared=[INFO, SALES])
        self.start(anna)
        own, info, sales = (
            self.opens("imap", user, anna.password(ANNA), mailbox)
            for user, mailbox in ((ANNA, ANNA), (f"anna\\{INFO}", INFO), (f"anna\\{SALES}", SALES))
        )
        self.gateway.rewrite(f'"{INFO}", "{SALES}"', f'"{INFO}"')
        self.gateway.command("reload")
        self.assertRegex(sales.rest(), rb"\A\* BYE [^\r]*\r\n\Z")
        self.assert_alive(own)
        self.assert_alive(info)
        self.assert_wrong(f"anna\\{SALES}", anna.password(ANNA))


class Borrowed(Case):
    def test_one_refresh_serves_both(self):
        anna, info = self.account(ANNA), self.borrower(INFO, ANNA, aliases=["info"])
        self.start(anna, info)
        self.open_everywhere("info", info.password(INFO), INFO)
        self.open_everywhere(ANNA, anna.password(ANNA), ANNA)
        self.assertEqual(self.asked(), 1)
        self.assertEqual(len({token for upstream in self.upstreams.values() for token in upstream.tokens}), 1)
        self.assert_wrong(INFO, anna.password(ANNA))
        self.assert_wrong(ANNA, info.password(INFO))
        self.assertRegex(self.gateway.log(), rf"logged in.*account={INFO} .*token_of=\"?{ANNA}")
        for said in (self.gateway.command("account", "show", INFO), self.gateway.command("account", "list")):
            self.assertIn(f"tokens of  {ANNA}", said)

    def test_smtp_is_the_delegate(self):
        anna, info = self.account(ANNA), self.borrower(INFO, ANNA, shared_smtp="delegate")
        self.start(anna, info)
        self.open_everywhere(INFO, info.password(INFO), INFO, smtp=ANNA)

    def test_a_dead_sign_in_is_the_owners(self):
        anna, info = self.account(ANNA), self.borrower(INFO, ANNA)
        self.endpoint.answers["all"] = Refusal("invalid_grant", 700082)
        self.start(anna, info)
        _, answer = self.log_in("imap", INFO, info.password(INFO))
        self.assertIn("L1 NO", answer)
        self.assertIn(f"saslgate signin {ANNA}", self.gateway.log())
        self.assertNotIn(f"saslgate signin {INFO}", self.gateway.log())
        _, said = status(self.gateway)
        found = {account["login"]: account for account in said["accounts"]}
        self.assertEqual([it["id"] for it in found[ANNA]["findings"]], ["sign_in_ended"])
        self.assertEqual([it["id"] for it in found[INFO]["findings"]], ["owner_fails"])
        for account in found.values():
            self.assertEqual(account["next_step"], f"saslgate signin {ANNA}")

    def test_who_signs_in_for_it_signs_in_for_the_owner(self):
        greta = "greta@lab.test"
        owner, info = self.account(greta), self.borrower(INFO, greta)
        owner.client = "pasted"
        owner.settings = {
            "authorization_url": f'"{self.world.issuer}/auth"', "issuer": f'"{self.world.issuer}"',
            "signin_scopes": '["openid", "profile"]',
        }
        self.start(owner, info, signed_in=False)
        self.assertIn(f"none yet: run `saslgate signin {greta}`", self.gateway.command("account", "list"))
        signin = self.enterContext(SignIn(self.gateway, INFO, "--paste"))
        code, words = signin.paste(Person(self.world, greta).sign_in(signin.link))
        self.assertEqual(code, 0, words)
        self.assertIn(f"{INFO} uses the sign-in of {greta}.", words)
        self.assertIn(f"Signed in as {greta}.", words)
        self.open_everywhere(INFO, info.password(INFO), INFO)
        self.open_everywhere(greta, owner.password(greta), greta)
        self.gateway.command("account", "signout", INFO, "--yes")
        for account in (owner, info):
            self.assertIn("L1 NO", self.log_in("imap", account.login, account.password(account.login))[1])


class Domains(Case):
    def start_domain(self, **settings):
        self.domain = self.account(DOMAIN, "client_credentials", **settings)
        self.start(self.domain)

    def test_each_mailbox_has_a_password_of_its_own(self):
        self.start_domain()
        info, sales = (self.set_password(self.domain, mailbox) for mailbox in (INFO, SALES))
        self.open_everywhere(INFO, info, INFO)
        self.open_everywhere(SALES.upper(), sales, SALES)
        self.assertEqual(self.asked(), 1)
        self.assert_wrong(INFO, sales)
        # Without a password of its own a mailbox is closed.
        self.assert_wrong("other@lab.test", info)
        self.assert_wrong(DOMAIN, info)
        self.assert_wrong("info@elsewhere.test", info)
        self.assertRegex(self.gateway.log(), rf"logged in.*account={INFO} .*token_of=\"?{re.escape(DOMAIN)}")
        self.assertIn(f"of {INFO}, {SALES}", self.gateway.command("account", "list"))

    def test_nobody_has_a_password_for_all(self):
        self.start_domain()
        with self.assertRaisesRegex(LabError, re.escape(
            f"each mailbox of {DOMAIN} has local passwords of its own: name one, such as info@lab.test"
        )):
            self.gateway.command("account", "password", DOMAIN, stdin="whatever")

    def test_an_unlisted_mailbox_is_a_wrong_password(self):
        self.start_domain(mailboxes=[INFO, SALES])
        info, sales = (self.set_password(self.domain, mailbox) for mailbox in (INFO, SALES))
        first, second = self.opens("imap", INFO, info, INFO), self.opens("imap", SALES, sales, SALES)
        self.assert_wrong("other@lab.test", info)
        with self.assertRaisesRegex(LabError, "there is no account other@lab.test"):
            self.gateway.command("account", "password", "other@lab.test", stdin="whatever")
        # A shorter list ends what goes on there, and nothing else.
        self.gateway.rewrite(f'"{INFO}", "{SALES}"', f'"{INFO}"')
        self.gateway.command("reload")
        self.assertRegex(second.rest(), rb"\A\* BYE [^\r]*\r\n\Z")
        self.assert_alive(first)
        self.assert_wrong(SALES, sales)

    def test_a_revoked_password_ends_the_sessions_of_its_mailbox(self):
        self.start_domain()
        info, sales = (self.set_password(self.domain, mailbox) for mailbox in (INFO, SALES))
        first, second = self.opens("imap", INFO, info, INFO), self.opens("imap", SALES, sales, SALES)
        self.gateway.command("account", "remove-password", INFO)
        self.assertRegex(first.rest(), rb"\A\* BYE [^\r]*\r\n\Z")
        self.assert_alive(second)
        self.assert_wrong(INFO, info)


class OldPrograms(Case):
    """As mail programs send it that never heard of a shared mailbox."""

    def setUp(self):
        super().setUp()
        self.anna = self.account(ANNA, aliases=["anna"], shared=[INFO])
        self.start(self.anna)
        self.user, self.password = f"LAB\\anna\\{INFO}", self.anna.password(ANNA)

    def assert_opened(self, protocol):
        wait_until(lambda: self.upstreams[protocol].tokens, "the login at the server")
        self.assertEqual([it.user for it in self.upstreams[protocol].sessions if it.token], [INFO])

    def test_imaplib(self):
        # It sends the user name as it is, without quotes.
        with imaplib.IMAP4("127.0.0.1", self.gateway.port("imap"), timeout=60) as client:
            client.login(self.user, self.password)
        self.assert_opened("imap")

    def test_poplib(self):
        client = poplib.POP3("127.0.0.1", self.gateway.port("pop3"), timeout=60)
        client.user(self.user)
        client.pass_(self.password)
        client.quit()
        self.assert_opened("pop3")

    def test_smtplib(self):
        with smtplib.SMTP("127.0.0.1", self.gateway.port("smtp"), timeout=60) as client:
            client.login(self.user, self.password)
        self.assert_opened("smtp")

    def test_curl(self):
        for protocol, arguments in (("imap", []), ("pop3", []), ("smtp", ["--request", "NOOP"])):
            done = run([
                "curl", "-sS", "--max-time", "60", "--user", f"anna\\{INFO}:{self.password}", *arguments,
                f"{protocol}://127.0.0.1:{self.gateway.port(protocol)}/",
            ])
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assert_opened(protocol)

    def test_a_backslash_that_nobody_escaped(self):
        client = self.enterContext(RawImap(self.gateway.port("imap")))
        self.assertIn("L1 OK", client.command("L1", f'LOGIN "anna\\{INFO}" "{self.password}"'))
        self.assert_opened("imap")
