"""The scripted Exchange: as real programs see it, without the gateway; and what a client of the gateway hears of
each of its refusals."""

import base64
import imaplib
import json
import poplib
import re
import smtplib
import ssl
import unittest
import urllib.error
import urllib.parse
import urllib.request

import lab
from clients import message
from process import run
from raw import RawImap, RawPop3, RawSmtp
from signin import SignIn
from tenant import LOGIN_HOST, TENANT, Tenant
from test_upstream_smtp import log_in as smtp_log_in
from upstream.directory import DELEGATED, OUTLOOK, Application, resource_of
from upstream.exchange import State
from upstream.exchange_imap import AFTER_2026
from world import xoauth2

ANNA, BERT, INFO = "anna@lab.test", "bert@lab.test", "info@lab.test"


class Case(unittest.TestCase):
    def setUp(self):
        self.world = lab.world()
        self.tenant = self.enterContext(Tenant(self.world))
        self.exchange, self.directory = self.tenant.exchange, self.tenant.directory
        self.browser = urllib.request.build_opener(
            urllib.request.ProxyHandler({"https": self.tenant.proxy.url}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.tenant.ca)),
        )

    def token(self, user=ANNA, application=None, scope=None, **form):
        """A token from the directory, for whom and for what."""
        application = application or self.directory.application()
        scopes = [f"{OUTLOOK}/{name}" for name in DELEGATED.values()]
        form = {
            "client_id": application.id, "grant_type": "refresh_token", "scope": scope or " ".join(scopes),
            "refresh_token": self.directory.sign_in(application, user),
        } | form
        return self.answer(form)["access_token"]

    def answer(self, form, tenant=TENANT):
        data = urllib.parse.urlencode({name: value for name, value in form.items() if value is not None}).encode()
        try:
            with self.browser.open(f"https://{LOGIN_HOST}/{tenant}/oauth2/v2.0/token", data) as came:
                return json.load(came)
        except urllib.error.HTTPError as error:
            with error:
                return json.load(error) | {"status": error.code}


class Servers(Case):
    """Whether real programs can use it: otherwise a check that cannot says nothing."""

    def imap(self, user, token):
        imap = imaplib.IMAP4_SSL("localhost", self.exchange.imap.port, ssl_context=self.world.tls(), timeout=60)
        self.addCleanup(imap.shutdown)
        imap.authenticate("XOAUTH2", lambda _: xoauth2(user, token))
        return imap

    def smtp(self, user, token):
        smtp = self.enterContext(smtplib.SMTP("localhost", self.exchange.smtp.port, timeout=60))
        smtp.ehlo("lab.test")
        self.assertNotIn("auth", smtp.esmtp_features)
        smtp.starttls(context=self.world.tls())
        smtp.ehlo("lab.test")
        self.assertEqual(smtp.esmtp_features["auth"].split(), ["LOGIN", "XOAUTH2"])
        return smtp, smtp_log_in(smtp, "XOAUTH2", xoauth2(user, token))

    def pop3(self, user, token):
        pop3 = poplib.POP3_SSL("localhost", self.exchange.pop3.port, context=self.world.tls(), timeout=60)
        self.addCleanup(pop3.close)
        # poplib takes a lone "+" for a fault, so it is past it that we speak.
        pop3._putcmd("AUTH XOAUTH2")
        self.assertEqual(pop3._getline()[0], b"+")
        return pop3, lambda: pop3._shortcmd(base64.b64encode(xoauth2(user, token)).decode())

    def test_a_mail_is_sent_and_found_by_imaplib_poplib_and_smtplib(self):
        self.exchange.mailbox(ANNA)
        token = self.token()
        reader = self.imap(ANNA, token)
        self.assertEqual(reader.select()[1], [b"0"])
        smtp, answer = self.smtp(ANNA, token)
        self.assertEqual(answer, (235, b"2.7.0 Authentication successful"))
        mail = message("to-anna").replace(b"lab@lab.test", ANNA.encode())
        smtp.sendmail(ANNA, [ANNA], mail)
        reader.noop()
        self.assertEqual(reader.response("EXISTS")[1][-1], b"1")
        for criteria in (
            ["ALL"], ["HEADER", "Message-ID", '"to-anna@lab.test"'], ["SUBJECT", "to-anna"], ["UNSEEN", "FROM", "anna"],
            ["1:*"], ["NOT", "SEEN"],
        ):
            self.assertEqual(reader.search(None, *criteria)[1], [b"1"], criteria)
        self.assertEqual(reader.search(None, "SUBJECT", "other")[1], [b""])
        self.assertEqual(reader.uid("SEARCH", None, "TEXT", "looks")[1], [b"1"])
        _, [(head, octets), _] = reader.fetch("1", "(UID FLAGS BODY.PEEK[])")
        self.assertTrue(octets.endswith(mail))
        self.assertIn(b"UID 1", head)
        _, [(_, subject), _] = reader.fetch("1", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        self.assertEqual(subject, b"Subject: to-anna\r\n\r\n")
        pop3, go_on = self.pop3(ANNA, token)
        self.assertTrue(go_on().startswith(b"+OK User"))
        self.assertEqual(pop3.stat(), (1, len(octets)))
        self.assertEqual(pop3.uidl()[1], [b"1 1"])
        self.assertEqual(b"".join(line + b"\r\n" for line in pop3.retr(1)[1]), octets)
        self.assertEqual(pop3.top(1, 0)[1][-1], b"")
        pop3.dele(1)
        pop3.quit()
        self.assertEqual(self.imap(ANNA, token).select()[1], [b"0"])

    def test_curl_reads_and_sends(self):
        self.exchange.mailbox(ANNA).deliver(message("old"))
        token = self.token()
        config = self.world.path("curl-exchange")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f'cacert = "{self.world.ca}"\noauth2-bearer = "{token}"\nuser = "{ANNA}:"\nlogin-options = "AUTH=XOAUTH2"\n'
                       "silent\nshow-error\n")

        def curl(*arguments, **options):
            done = run(["curl", "--config", config, *arguments], **options)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout

        imap, pop3 = (f"{name}s://localhost:{server.port}/" for name, server in
                      (("imap", self.exchange.imap), ("pop3", self.exchange.pop3)))
        self.assertEqual(curl(imap + "INBOX;UID=1"), message("old"))
        self.assertIn(b"* SEARCH 1", curl(imap + "INBOX?SUBJECT%20old"))
        self.assertIn(b"* STATUS INBOX (MESSAGES 1)", curl(imap, "--request", "STATUS INBOX (MESSAGES)"))
        self.assertEqual(curl(pop3 + "1"), message("old"))
        mail = message("by-curl").replace(b"lab@lab.test", ANNA.encode())
        curl(f"smtp://localhost:{self.exchange.smtp.port}/lab.test", "--ssl-reqd", "--mail-from", ANNA, "--mail-rcpt", ANNA,
             "--upload-file", "-", input=mail)
        self.assertEqual(len(self.exchange.mailbox(ANNA).messages), 2)

    def test_idle_tells_of_new_mail(self):
        mailbox = self.exchange.mailbox(ANNA)
        reader = self.imap(ANNA, self.token())
        reader.select()
        reader.send(b"I1 IDLE\r\n")
        self.assertTrue(reader.readline().startswith(b"+ "))
        mailbox.deliver(message("new"))
        self.assertEqual(reader.readline(), b"* 1 EXISTS\r\n")
        reader.send(b"DONE\r\n")
        self.assertEqual(reader.readline(), b"I1 OK IDLE completed.\r\n")

    def test_flags_and_expunge(self):
        mailbox = self.exchange.mailbox(ANNA)
        mailbox.deliver(message("one"))
        mailbox.deliver(message("two"))
        reader = self.imap(ANNA, self.token())
        reader.select()
        self.assertEqual(reader.store("1", "+FLAGS", "(\\Deleted)")[1], [b"1 (FLAGS (\\Deleted))"])
        self.assertEqual(reader.expunge()[1], [b"1"])
        self.assertEqual([mail.uid for mail in mailbox.messages], [2])

    def test_the_form_of_2026(self):
        self.exchange.mailbox(ANNA)
        self.exchange.imap.as_of_2026()
        self.assertIn("IMAP4REV2", self.imap(ANNA, self.token()).capability()[1][0].decode().upper())

    # --- who is believed ---

    def verdicts(self, user, token):
        """What each protocol makes of a token."""
        return [self.exchange.judge(protocol, user, token) for protocol in DELEGATED]

    def test_a_token_is_judged_by_its_claims(self):
        self.exchange.mailbox(ANNA)
        self.exchange.mailbox(INFO).full_access.add(BERT)
        good, refused, not_connected = [State.OK] * 3, [State.REFUSED] * 3, [State.NOT_CONNECTED] * 3
        self.assertEqual(self.verdicts(ANNA, self.token()), good)
        self.assertEqual(self.verdicts(ANNA.upper(), self.token()), good)
        self.assertEqual(self.verdicts(ANNA, self.token(BERT)), not_connected)
        self.assertEqual(self.verdicts(INFO, self.token(BERT)), good)
        self.assertEqual(self.verdicts("nobody@lab.test", self.token()), not_connected)
        self.assertEqual(self.verdicts(ANNA, self.token()[:-2]), refused)
        self.assertEqual(self.verdicts(ANNA, "no.jwt.atall"), refused)
        wrong_audience = self.token(scope="https://graph.microsoft.com/Mail.Send")
        self.assertEqual(self.verdicts(ANNA, wrong_audience), refused)
        imap_only = self.token(scope=f"{OUTLOOK}/IMAP.AccessAsUser.All")
        self.assertEqual(self.verdicts(ANNA, imap_only), [State.OK, State.REFUSED, State.REFUSED])

    def test_an_application_is_judged_by_role_principal_and_permission(self):
        account = self.tenant.account(ANNA, app_only=True)
        application = account.application
        ask = lambda: self.answer({
            "client_id": application.id, "client_secret": application.secret, "grant_type": "client_credentials",
            "scope": "https://outlook.office365.com/.default",
        })["access_token"]
        self.assertEqual(self.verdicts(ANNA, ask()), [State.OK] * 3)
        self.exchange.mailbox(INFO)
        self.assertEqual(self.verdicts(INFO, ask()), [State.NOT_CONNECTED] * 3)
        application.roles.discard("POP.AccessAsApp")
        self.assertEqual(self.verdicts(ANNA, ask()), [State.OK, State.REFUSED, State.OK])
        # The object id under App registrations, which is the wrong one.
        self.exchange.principals[application.id] = "00000000-0000-0000-0000-000000000009"
        self.assertEqual(self.verdicts(ANNA, ask()), [State.REFUSED] * 3)

    def test_the_directory_says_what_is_wrong(self):
        public, confidential = self.directory.application(), self.directory.application(secret="right")
        expired = self.directory.application(secret="right", secret_expired=True)
        unwilling, policed = self.directory.application(scopes=set()), self.directory.application()
        self.directory.policies[policed.id] = 53003
        scope = f"{OUTLOOK}/IMAP.AccessAsUser.All offline_access"
        for code, status, error, application, more in [
            (700016, 400, "unauthorized_client", Application(), {}),
            (700025, 401, "invalid_client", public, {"client_secret": "one"}),
            (7000218, 401, "invalid_client", confidential, {}),
            (7000215, 401, "invalid_client", confidential, {"client_secret": "wrong"}),
            (7000222, 401, "invalid_client", expired, {"client_secret": "right"}),
            (65001, 400, "invalid_grant", unwilling, {}),
            (53003, 400, "invalid_grant", policed, {}),
            (70000, 400, "invalid_grant", public, {"refresh_token": "made up"}),
            (70011, 400, "invalid_scope", public, {"scope": "mail"}),
        ]:
            with self.subTest(code):
                form = {"client_id": application.id, "grant_type": "refresh_token", "scope": scope,
                        "refresh_token": self.directory.sign_in(application, ANNA)} | more
                said = self.answer(form)
                self.assertEqual((said["error_codes"], said["status"], said["error"]), ([code], status, error))
                self.assertRegex(said["error_description"], rf"^AADSTS{code}: \S.* Trace ID: \S+ Correlation ID: \S+ Timestamp: ")
        self.assertEqual(self.answer({}, tenant="unknown.test")["error_codes"], [90002])
        self.assertEqual(resource_of("openid offline_access"), (None, set()))


# Each state, and what a client of the gateway hears of it: (protocol, state, pieces of the answer).
HEARD = [
    ("imap", State.OK, ["L1 OK"]),
    ("imap", State.REFUSED, ["L1 NO [CONTACTADMIN]", "AUTHENTICATE failed."]),
    ("imap", State.NOT_CONNECTED, ["L1 NO [CONTACTADMIN]", "authenticated but not connected"]),
    ("imap", State.UNAVAILABLE, ["L1 NO [UNAVAILABLE]", "Server Unavailable. 15"]),
    ("imap", State.BUSY, ["L1 NO [UNAVAILABLE]", "Server busy"]),
    ("pop3", State.OK, ["+OK"]),
    ("pop3", State.REFUSED, ["-ERR [SYS/PERM]", "unknown user name or bad password"]),
    ("pop3", State.UNAVAILABLE, ["-ERR [SYS/TEMP]", "Server Unavailable"]),
    ("pop3", State.BUSY, ["-ERR [SYS/TEMP]", "Server busy"]),
    ("smtp", State.OK, ["235"]),
    ("smtp", State.REFUSED, ["454", "5.7.3 Authentication unsuccessful"]),
    ("smtp", State.OFF_FOR_TENANT, ["454", "5.7.139", "Tenant", "administrator"]),
    ("smtp", State.OFF_FOR_MAILBOX, ["454", "5.7.139", "Mailbox", "administrator"]),
    ("smtp", State.SECURITY_DEFAULTS, ["454", "5.7.139", "security defaults", "administrator"]),
    ("smtp", State.NO_PASSWORDS, ["454", "5.7.30", "administrator"]),
    ("smtp", State.THROTTLED, ["454", "432 4.3.2"]),
    ("smtp", State.BUSY, ["454", "451 4.7.500"]),
]
# What the server says to a mail, which is the client's to hear as it is: (state, reply).
MAILED = [
    (State.SEND_AS_DENIED, "554 5.2.252 SendAsDenied"), (State.NO_SEND_AS, "550 5.7.60 SMTP;"),
    (State.THREAD_LIMIT, "432 4.3.2 STOREDRV.ClientSubmit"),
]


class SigningIn(Case):
    """What a person's browser and `saslgate signin` see at the directory."""

    def start(self, wrong=lambda account: None, **settings):
        self.account = self.tenant.account(ANNA, **settings)
        self.account.refresh_token = None
        wrong(self.account)
        self.gateway = self.tenant.gateway(self.id().split(".")[-1], [self.account])
        self.addCleanup(self.gateway.__exit__, None, None, None)
        self.gateway.start()
        signin = self.enterContext(SignIn(self.gateway, ANNA, "--browser"))
        self.assertTrue(signin.link, signin.words())
        return signin

    def browse(self, link):
        """(status, text) of the page where the browser ends."""
        try:
            with self.browser.open(link) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def test_a_person_signs_in_and_mail_works(self):
        signin = self.start()
        self.browse(signin.link)
        code, words = signin.end()
        self.assertEqual(code, 0, words)
        self.assertIn(f"Signed in as {ANNA}.", words)
        with RawImap(self.gateway.port("imap")) as client:
            self.assertIn("L1 OK", client.login(ANNA, self.account.password()))

    def test_another_redirect_address_shows_in_the_browser_alone(self):
        signin = self.start(lambda account: setattr(account.application, "redirects", {"http://localhost/other"}))
        status, page = self.browse(signin.link)
        self.assertEqual(status, 400)
        self.assertIn("AADSTS50011", page)
        self.assertTrue(signin.running())

    def test_a_policy_is_told_where_the_person_looks(self):
        signin = self.start(lambda account: self.directory.policies.update({account.application.id: 53003}))
        self.browse(signin.link)
        code, words = signin.end()
        self.assertEqual(code, 1, words)
        self.assertIn("AADSTS53003", words)


class ThroughTheGateway(Case):
    def start(self, *accounts):
        self.gateway = self.tenant.gateway(self.id().split(".")[-1], list(accounts))
        self.addCleanup(self.gateway.__exit__, None, None, None)
        self.gateway.start()

    def hear(self, protocol, account):
        with {"imap": RawImap, "pop3": RawPop3, "smtp": RawSmtp}[protocol](self.gateway.port(protocol)) as client:
            return client.login(account.login, account.password())

    def test_what_a_client_hears_of_each_state(self):
        accounts = []
        for number, (protocol, state, _) in enumerate(HEARD):
            account = self.tenant.account(f"state-{number}@{TENANT}", app_only=True)
            self.exchange.mailbox(account.login).states[protocol] = state
            accounts.append(account)
        self.start(*accounts)
        for (protocol, state, pieces), account in zip(HEARD, accounts):
            with self.subTest(protocol=protocol, state=state):
                heard = re.sub(r"\r\n\d{3}[ -](\d\.\d\.\d+ )?", " ", self.hear(protocol, account))
                for piece in pieces:
                    self.assertIn(piece, heard)

    def test_what_a_sender_hears(self):
        accounts = [self.tenant.account(f"sender-{number}@{TENANT}") for number in range(len(MAILED) + 2)]
        for (state, _), account in zip(MAILED, accounts):
            self.exchange.mailbox(account.login).states["smtp"] = state
        self.exchange.mailbox(accounts[-1].login, full=True)
        self.start(*accounts)
        expected = [reply for _, reply in MAILED] + ["554 5.2.252 SendAsDenied", "554 5.2.2 mailbox full"]
        for account, reply in zip(accounts, expected):
            with self.subTest(reply=reply), RawSmtp(self.gateway.port("smtp")) as client:
                self.assertIn("235", client.login(account.login, account.password()))
                sender = "other@lab.test" if account is accounts[-2] else account.login
                client.envelope(sender, "to@lab.test")
                mail = message("denied").replace(b"lab@lab.test", sender.encode())
                self.assertTrue(client.data(mail).startswith(reply))

    def test_a_token_that_ends_inside_a_session_ends_it_in_exchanges_words(self):
        account = self.tenant.account(ANNA)
        self.start(account)
        with RawImap(self.gateway.port("imap")) as client:
            self.assertIn("L1 OK", client.login(account.login, account.password()))
            self.assertIn("S1 OK", client.command("S1", "SELECT INBOX"))
            self.exchange.mailbox(ANNA).states["imap"] = State.TOKEN_ENDED
            client.send("N1 NOOP\r\n")
            self.assertEqual(client.line(), b"* BYE Session invalidated - AccessTokenExpired\r\n")

    def test_every_protocol_in_the_form_of_2026(self):
        account = self.tenant.account(ANNA)
        self.exchange.imap.as_of_2026()
        self.start(account)
        with RawImap(self.gateway.port("imap")) as client:
            self.assertIn("AUTH=PLAIN", client.command("C1", "CAPABILITY"))
            self.assertIn("L1 OK", client.login(account.login, account.password()))
            offered = client.command("C2", "CAPABILITY")
        self.assertIn("IMAP4rev2", AFTER_2026)
        self.assertNotIn("IMAP4rev2", offered)
        self.assertNotIn("BACKENDAUTHENTICATE", offered)
        self.assertRegex(self.hear("pop3", account), r"\+OK.*\r\n\+OK")
        self.assertIn("235", self.hear("smtp", account))
        self.assertEqual([form["grant_type"] for form in self.tenant.forms(account)], ["refresh_token"])
