"""People sign in: in a real browser, by paste, on another device; and what must not count as a sign-in."""

import unittest
import urllib.error
import urllib.parse
import urllib.request

import lab
from browser import Browser, Person
from cases import check_mail_works
from gateway import Account, Gateway, Server
from process import wait_until
from raw import RawImap
from signin import SignIn

GRETA, OTHER = "greta@lab.test", "otto@lab.test"


class Case(unittest.TestCase):
    """Greta's account at one of the provider's applications; nobody has signed in yet."""

    def start(self, client, **settings):
        self.world, self.client = lab.world(), client
        dovecot = self.world.dovecot
        urls = {
            "authorization_url": f'"{self.world.issuer}/auth"', "device_url": f'"{self.world.issuer}/device/auth"',
            "issuer": f'"{self.world.issuer}"', "signin_scopes": '["openid", "profile"]',
        }
        self.account = Account(
            GRETA, client, dovecot.imaps, smtp=Server(dovecot.submissions), grant="refresh_token", signed_in=False,
            settings=urls | {key: f'"{value}"' for key, value in settings.items()},
        )
        name = f"{self.id().split('.')[-1]}-{client}-{len(Gateway.all)}"
        self.gateway = self.enterContext(Gateway(self.world, name, [self.account]))

    def sign_in(self, *arguments):
        return self.enterContext(SignIn(self.gateway, GRETA, *arguments))

    def assert_signed_in(self, signin):
        code, words = signin.end()
        self.assertEqual(code, 0, words)
        self.assertIn(f"Signed in as {GRETA}.", words)

    def log_in(self):
        with RawImap(self.gateway.port("imap")) as client:
            return client.login(GRETA, self.account.password())

    def assert_mail_works(self):
        check_mail_works(self, self.gateway, self.account)

    def assert_nobody(self):
        self.assertIn("L1 NO", self.log_in())


class InABrowser(Case):
    def test_public_client(self):
        self.start("public")
        self.browse()

    def test_confidential_client(self):
        self.start("confidential", redirect_uri="http://localhost")
        self.browse()

    def test_web_client_with_a_fixed_address(self):
        self.start("web", redirect_uri=lab.WEB_REDIRECT)
        self.browse()

    def browse(self):
        self.assert_nobody()
        signin = self.sign_in("--browser", "--no-open")
        with Browser(self.world) as browser:
            self.assertIn("Signed in", browser.sign_in(signin.link, GRETA))
        self.assert_signed_in(signin)
        self.assert_mail_works()

    def test_the_wrong_person_is_refused_with_both_names(self):
        self.start("wrong")
        signin = self.sign_in("--browser", "--no-open")
        with Browser(self.world) as browser:
            page = browser.sign_in(signin.link, OTHER)
        code, words = signin.end()
        self.assertEqual(code, 1, words)
        for text in (page, words):
            self.assertIn(OTHER, text)
            self.assertIn(GRETA, text)
        self.assert_nobody()


class ByPaste(Case):
    def test_the_whole_address(self):
        self.start("pasted")
        signin = self.sign_in("--paste")
        address = Person(self.world, GRETA).sign_in(signin.link)
        code, words = signin.paste(address)
        self.assertEqual(code, 0, words)
        self.assertIn(f"Signed in as {GRETA}.", words)
        self.assert_mail_works()

    def test_the_code_alone(self):
        self.start("pasted")
        signin = self.sign_in("--paste")
        code, words = signin.paste(parameters(Person(self.world, GRETA).sign_in(signin.link))["code"])
        self.assertEqual(code, 0, words)
        self.assertIn("L1 OK", self.log_in())

    def test_what_is_neither(self):
        self.start("pasted")
        for pasted in ("", "https://localhost/", "http://127.0.0.1/?code=abc&state=another"):
            with self.subTest(pasted=pasted):
                code, words = self.sign_in("--paste").paste(pasted)
                self.assertEqual(code, 1, words)
                self.assertIn("nobody has signed in", words)
        self.assert_nobody()


class OnADevice(Case):
    def test_slow_down_and_then_yes(self):
        self.start("device")
        self.world.provider("fault", client="device", kind="slow_down", times=1)
        signin = self.sign_in("--device")
        Person(self.world, GRETA).enter_code(signin.link, self.code(signin))
        self.assert_signed_in(signin)
        self.assert_mail_works()

    def test_the_wrong_person(self):
        self.start("device")
        signin = self.sign_in("--device")
        Person(self.world, OTHER).enter_code(signin.link, self.code(signin))
        code, words = signin.end()
        self.assertEqual(code, 1, words)
        self.assertIn(OTHER, words)
        self.assertIn(GRETA, words)

    def code(self, signin):
        """Printed after the link."""
        return wait_until(lambda: (signin.words().split("it is for you alone): ") + [""])[1].strip(), "the code")


class Landing(Case):
    """What else comes to the address where the browser comes back to."""

    def test_strays_and_a_wrong_state_end_nothing(self):
        self.start("stray")
        signin = self.sign_in("--browser", "--no-open")
        place = parameters(signin.link)["redirect_uri"]
        for stray in ("/favicon.ico", "/", "/?code=stolen&state=guessed", "/?error=access_denied", "/?code=x"):
            self.assertEqual(status(place.rstrip("/") + stray), 404, stray)
        self.assertTrue(signin.running())
        self.assertEqual(status(Person(self.world, GRETA).sign_in(signin.link)), 200)
        self.assert_signed_in(signin)

    def test_a_refusal_by_the_person_is_told(self):
        self.start("stray")
        signin = self.sign_in("--browser", "--no-open")
        status(Person(self.world, GRETA).sign_in(signin.link, allow=False))
        code, words = signin.end()
        self.assertEqual(code, 1, words)
        self.assert_nobody()

    def test_two_at_once_for_one_account(self):
        self.start("twice")
        signins = [self.sign_in("--browser", "--no-open") for _ in range(2)]
        self.assertNotEqual(*(parameters(signin.link)["redirect_uri"] for signin in signins))
        for signin in signins:
            status(Person(self.world, GRETA).sign_in(signin.link))
        for signin in signins:
            self.assert_signed_in(signin)
        self.assertIn("L1 OK", self.log_in())

    def test_a_taken_port_is_named(self):
        self.start("web", redirect_uri=lab.WEB_REDIRECT)
        self.sign_in("--browser", "--no-open")
        code, words = self.sign_in("--browser", "--no-open").end()
        self.assertEqual(code, 2, words)
        self.assertIn(str(urllib.parse.urlsplit(lab.WEB_REDIRECT).port), words)
        self.assertIn("--paste", words)

    def test_an_old_address_again_is_a_stray(self):
        """Its `state` is not this sign-in's, so the provider is not even asked."""
        self.start("replay")
        signin = self.sign_in("--paste")
        address = Person(self.world, GRETA).sign_in(signin.link)
        self.assertEqual(signin.paste(address)[0], 0)
        asked = self.world.requests("replay")["asked"]
        code, words = self.sign_in("--paste").paste(address)
        self.assertEqual(code, 1, words)
        self.assertEqual(self.world.requests("replay")["asked"], asked)
        self.assertIn("L1 OK", self.log_in())

    def test_a_replayed_code_is_refused_and_a_new_sign_in_mends_it(self):
        """A provider that sees a code twice takes back what it gave for it (RFC 6749 section 4.1.2)."""
        self.start("replay")
        first = self.sign_in("--paste")
        pasted = parameters(Person(self.world, GRETA).sign_in(first.link))["code"]
        self.assertEqual(first.paste(pasted)[0], 0)
        code, words = self.sign_in("--paste").paste(pasted)
        self.assertEqual(code, 1, words)
        self.assertIn("saslgate signin", words)
        again = self.sign_in("--paste")
        code, words = again.paste(Person(self.world, GRETA).sign_in(again.link))
        self.assertEqual(code, 0, words)
        self.assertIn("L1 OK", self.log_in())


def parameters(address):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))


def status(address):
    """What the landing answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
