"""An email-oauth2-proxy installation is taken over: the program itself (from PyPI) caches its tokens, and then the
same commands of the same clients go on with saslgate, on the same ports, with the same passwords, without a sign-in."""

import os
import re
import secrets
import subprocess
import sys
import threading
import unittest
import urllib.request

import lab
from browser import Person
from cases import check_mail_works
from clients.imap import Curl
from gateway import Account, Gateway, binary
from process import LabError, Process, free_port, port_answers, run, wait_until
from test_init import Conversation
from world import CLIENT_SECRET, ROOT

GRETA = "greta@lab.test"
HANNA = "hanna@lab.test"
# Seen to work; a newer one may write another format, which is then for people to see.
VERSION = "emailproxy==2026.7.3"


def program():
    """The other program, installed once into target/; a test is skipped where it cannot be, but not in CI."""
    folder = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "lab", VERSION)
    path = os.path.join(folder, "bin", "emailproxy")
    if os.path.exists(path):
        return path
    for command in ([sys.executable, "-m", "venv", folder], [f"{folder}/bin/pip", "install", "-q", VERSION]):
        try:
            done = run(command)
        except OSError as error:
            done, words = None, str(error)
        if done is None or done.returncode:
            words = words if done is None else done.stderr.decode()[-600:]
            if os.environ.get("CI"):
                raise LabError(f"{VERSION} cannot be installed: {words}")
            raise unittest.SkipTest(f"{VERSION} cannot be installed: {words}")
    return path


class EmailProxy:
    """The program with two accounts: `check_mail_works` takes it for a gateway."""

    def __init__(self, world, name, accounts):
        self.world, self.name, self.accounts = world, name, accounts
        self.folder = world.path(name)
        os.mkdir(self.folder, 0o700)
        self.config = os.path.join(self.folder, "emailproxy.config")
        self._ports = {"imap": free_port(), "smtp": free_port()}
        self._redirect = free_port()
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(self._text())

    def _text(self):
        dovecot, issuer = self.world.dovecot, self.world.issuer
        shared = f"token_url = {self.world.token_url}\nclient_secret = {CLIENT_SECRET}\noauth2_scope = mail"
        return f"""\
[IMAP-{self._ports['imap']}]
local_address = 127.0.0.1
server_address = localhost
server_port = {dovecot.imaps}

[SMTP-{self._ports['smtp']}]
local_address = 127.0.0.1
server_address = localhost
server_port = {dovecot.submissions}

[{GRETA}]
permission_url = {issuer}/auth
redirect_uri = http://127.0.0.1:{self._redirect}
use_pkce = True
client_id = emailproxy
{shared}

[{HANNA}]
oauth2_flow = client_credentials
client_id = hannas-robot
{shared}

[emailproxy]
encrypt_client_secret_on_first_use = True
"""

    def port(self, protocol):
        return self._ports[protocol]

    def __enter__(self):
        self._process = Process(
            "emailproxy",
            [program(), "--no-gui", "--local-server-auth", "--debug", "--config-file", self.config],
            self.world.path(f"{self.name}.log"), cwd=self.folder,
            env=os.environ | {"SSL_CERT_FILE": self.world.ca, "PYTHONUNBUFFERED": "1"},
        )
        self._process.wait_ready(lambda: all(map(port_answers, self._ports.values())), "its ports")
        return self

    def __exit__(self, *_):
        # It has written its tokens when it had them; how it ends is its own affair.
        self._process.kill()

    def sign_in(self, account):
        """The first login waits until a person has been to the page that the log names."""
        curl = Curl(self.world, self.world.path(f"{self.name}-first"), self.port("imap"), "none", account.login,
                    account.password())
        first = threading.Thread(target=curl.list)
        first.start()
        link = wait_until(
            lambda: re.search(rf"{re.escape(self.world.issuer)}/auth\?\S+", self._process.log()), "a link to sign in"
        )[0]
        address = Person(self.world, account.login).sign_in(link)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(address, timeout=30).close()
        first.join(60)

    def text(self):
        with open(self.config, encoding="utf-8") as file:
            return file.read()


class Imported(Gateway):
    """A gateway whose configuration `saslgate import` writes."""

    def __init__(self, other, name):
        self.world, self.name, self.accounts, self.other = other.world, name, other.accounts, other
        self.folder = other.world.path(name)
        self.state = os.path.join(self.folder, "state")
        os.mkdir(self.folder, 0o700)
        self.config = os.path.join(self.folder, "saslgate.toml")
        self._ports = {(protocol, "none"): other.port(protocol) for protocol in ("imap", "smtp")}
        self.log_path = other.world.path(f"{name}.gateway.log")
        self._process = None
        Gateway.all.append(self)

    def __enter__(self):
        return self

    def environment(self):
        return super().environment() | {"SSL_CERT_FILE": self.world.ca}

    def take_over(self, *passwords, code=0):
        """What it said."""
        done = subprocess.run(
            [binary(), "import", "emailproxy", self.other.config], env=self.environment(), capture_output=True,
            input="".join(f"{it}\n" for it in passwords).encode(), timeout=120, check=False,
        )
        said = done.stdout.decode() + done.stderr.decode()
        if done.returncode != code:
            raise LabError(f"saslgate import: exit code {done.returncode}\n{said}")
        return said

    def files(self):
        """Name and content of everything in its folder but the store."""
        found = {}
        for folder, _, names in os.walk(self.folder):
            if not folder.startswith(self.state):
                for name in names:
                    with open(os.path.join(folder, name), "rb") as file:
                        found[os.path.join(folder, name)] = file.read()
        return found


# Every kind of account, and what encrypts the tokens of two of them.
SAMPLE = os.path.join(ROOT, "src/import/emailproxy/testdata/all-flows.config")
PASSWORD = "Pässword 1"


class Sample(unittest.TestCase):
    """What needs no other program: files as it writes them."""

    def begin(self):
        self.world = lab.world()
        self.folder = self.world.path(f"import-{self.id().split('.')[-1]}")
        os.mkdir(self.folder, 0o700)
        self.config = os.path.join(self.folder, "begun", "saslgate.toml")
        self.gateway = self
        with open(SAMPLE, encoding="utf-8") as file:
            self.text = file.read()

    def environment(self):
        return os.environ | {"SASLGATE_CONFIG": self.config, "SASLGATE_STATE": os.path.join(self.folder, "state")}

    def run_import(self, *arguments, stdin="", code=0):
        done = run([binary(), "import", "emailproxy", *arguments], env=self.environment(), input=stdin.encode())
        words = done.stdout.decode() + done.stderr.decode()
        self.assertEqual(done.returncode, code, words)
        self.assertNotIn("SECRET-", words)
        return words

    def check(self):
        done = run([binary(), "config", "check"], env=self.environment())
        self.assertEqual(done.returncode, 0, done.stdout.decode() + done.stderr.decode())

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_a_trial_writes_nothing(self):
        self.begin()
        words = self.run_import(SAMPLE, "--dry-run")
        self.assertIn("Would be carried over", words)
        self.assertIn('login = "code@example.com"', words)
        self.assertIn("RFC 9700", words)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_cache_store(self):
        self.begin()
        lines = self.text.splitlines()
        start = lines.index("[code@example.com]")
        end = lines.index("[device@gmail.com]")
        kept = [it for it in lines[start:end] if re.match("token_(salt|iterations)|access_|refresh_", it)]
        cache = self.write("cache", "\n".join(["[code@example.com]", *kept]))
        config = self.write("emailproxy.config", "\n".join(it for it in lines if it not in kept))
        words = self.run_import(config, "--cache-store", cache, stdin=PASSWORD + "\n")
        self.assertIn("code@example.com: its sign-in (refresh token)", words)
        self.check()

    def test_a_password_that_is_typed(self):
        self.begin()
        with Conversation(self, SAMPLE, command=("import", "emailproxy")) as talk:
            talk.expect("for code@example.com (Enter: leave its sign-in behind)")
            talk.type_hidden("not this one")
            talk.expect("That password does not open it.")
            talk.expect("for code@example.com (Enter: leave its sign-in behind)")
            talk.type_hidden(PASSWORD)
            # The next account's opens with it, too.
            talk.expect("Next, when")
            self.assertEqual(talk.end(), 0, talk.words)
        for login in ("code@example.com", "device@gmail.com"):
            self.assertIn(f"{login}: its password, as the local one", talk.words)
        self.assertNotIn(PASSWORD, talk.words)
        self.check()

    def test_a_secret_that_is_there_stops_its_account_alone(self):
        self.begin()
        there = self.write("begun/accounts.d/device@gmail.com.secret", "another")
        passwords = f"{PASSWORD}\n{PASSWORD}\n"
        words = self.run_import(SAMPLE, stdin=passwords, code=1)
        self.assertIn("device@gmail.com: not carried over: cannot write", words)
        self.assertIn("take it away first", words)
        self.assertIn("not everything was carried over", words)
        self.check()
        os.remove(there)
        words = self.run_import(SAMPLE, stdin=passwords)
        self.assertNotIn("device@gmail.com: not carried over", words)
        self.assertIn("device@gmail.com: its password, as the local one", words)
        self.check()

    def test_an_import_that_was_stopped_goes_on(self):
        self.begin()
        passwords = f"{PASSWORD}\n{PASSWORD}\n"
        self.run_import(SAMPLE, stdin=passwords)
        # As if the configuration's own file had not been written any more.
        os.remove(self.config)
        words = self.run_import(SAMPLE, stdin=passwords)
        self.assertIn("IMAP-1993: the port", words)
        self.assertNotIn("is there already and", words)
        self.check()

    def test_a_configuration_that_is_there(self):
        self.begin()
        port = free_port()
        text = (
            f'[[listen]]\nprotocol = "imap"\naddress = "127.0.0.1:{port}"\n[defaults]\nprovider = "google"\n'
            '[[account]]\nlogin = "me@gmail.com"\nclient_id = "mine"\n'
        )
        self.write("begun/saslgate.toml", text)
        words = self.run_import(SAMPLE, stdin=f"{PASSWORD}\n{PASSWORD}\n")
        self.assertIn("is there already and is never changed. Add these to it:", words)
        self.assertIn('address = "127.0.0.1:1995"', words)
        with open(self.config, encoding="utf-8") as file:
            self.assertEqual(file.read(), text)
        self.check()


class Import(unittest.TestCase):
    def test_clients_go_on_unchanged(self):
        world = lab.world()
        dovecot = world.dovecot
        greta = Account(GRETA, "emailproxy", dovecot.imaps, smtp=dovecot.submissions, grant="refresh_token")
        hanna = Account(HANNA, "hannas-robot", dovecot.imaps, smtp=dovecot.submissions)
        with EmailProxy(world, "emailproxy", [greta, hanna]) as other:
            other.sign_in(greta)
            check_mail_works(self, other, greta)
            check_mail_works(self, other, hanna)
        self.assertRegex(other.text(), r"(?m)^refresh_token = gAAAA")
        self.assertRegex(other.text(), r"(?m)^client_secret_encrypted = gAAAA")

        with Imported(other, "imported") as gateway:
            wrong = gateway.take_over("wrong " + secrets.token_hex(4), hanna.password())
            self.assertIn(f"{GRETA}: the password is wrong", wrong)
            said = gateway.take_over(greta.password(), hanna.password())
            self.assertIn(f"{GRETA}: its sign-in (refresh token)", said)
            before = gateway.files()
            self.assertIn("Nothing was changed.", gateway.take_over(greta.password(), hanna.password()))
            self.assertEqual(gateway.files(), before)
            for text in (CLIENT_SECRET, greta.password(), hanna.password()):
                self.assertNotIn(text, said + wrong)
                for path, content in before.items():
                    if not path.endswith(".secret"):
                        self.assertNotIn(text.encode(), content, path)
            gateway.command("config", "check")
            gateway.start()
            for account in (greta, hanna):
                check_mail_works(self, gateway, account)
            gateway.stop()
            # Once more, when the token that has been refreshed is old.
            gateway.start(later=10)
            check_mail_works(self, gateway, greta)
