"""Another configuration while sessions go on: whoever stays is never touched, and a broken file changes
nothing."""

import os
import signal
import socket
import ssl
import unittest

import lab
from gateway import Account, Gateway, binary
from process import run, wait_until
from raw import RawImap
from upstream.imap import RecordingImap
from world import ROOT

SESSIONS = 200


class Case(unittest.TestCase):
    """Two accounts, one of which will go; sessions of both are idle while the test changes things."""

    def start(self, modes=("none",)):
        self.world = lab.world()
        self.upstream = self.enterContext(RecordingImap(self.world))
        settings = {"connection_limit": "300"}
        self.stays = Account("stays@lab.test", "robot-opaque", self.upstream.port, settings=settings)
        self.goes = Account("goes@lab.test", "robot-opaque", self.upstream.port, settings=settings)
        name = f"{self.id().split('.')[-1]}-{len(Gateway.all)}"
        self.gateway = Gateway(self.world, name, [self.stays], modes=modes)
        self.folder = os.path.join(self.gateway.folder, "accounts.d")
        os.mkdir(self.folder)
        self.write_account("goes", self.goes)
        self.goes.password()
        self.gateway.command("account", "password", self.goes.login, stdin=self.goes.password())
        self.enterContext(self.gateway)

    def write_account(self, name, account):
        self.gateway.write(os.path.join("accounts.d", f"{name}.toml"), self.gateway.account_toml(account))

    def reload(self, fails=False):
        return self.gateway.command("reload", fails=fails)

    def idle(self, account, number):
        """So many clients that have logged in and wait for mail."""
        clients = []
        for _ in range(number):
            client = self.enterContext(RawImap(self.gateway.port("imap")))
            self.assertIn("L1 OK", client.login(account.login, account.password()))
            client.send("I1 IDLE\r\n")
            self.assertTrue(client.line().startswith(b"+"))
            clients.append(client)
        return clients

    def assert_alive(self, clients):
        for client in clients:
            client.send("DONE\r\n")
            self.assertIn("I1 OK", client.answer("I1"))
            client.send("I1 IDLE\r\n")
            self.assertTrue(client.line().startswith(b"+"))

    def log_in(self, account):
        with RawImap(self.gateway.port("imap")) as client:
            return client.login(account.login, account.password())


class Reload(Case):
    def test_two_hundred_idle_sessions_do_not_notice(self):
        self.start(modes=("none", "implicit"))
        self.use_a_certificate_of_its_own()
        staying, going = self.idle(self.stays, SESSIONS), self.idle(self.goes, 5)

        comes = Account("comes@lab.test", "robot-opaque", self.upstream.port)
        self.write_account("comes", comes)
        self.gateway.command("account", "password", comes.login, stdin=comes.password())
        self.assertIn("comes@lab.test", self.reload())
        self.assertIn("L1 OK", self.log_in(comes))
        self.assert_alive(staying + going)

        before = self.fingerprint()
        self.new_certificate()
        os.kill(self.gateway.pid, signal.SIGHUP)
        wait_until(lambda: self.fingerprint() != before, "the new certificate after SIGHUP")
        before = self.fingerprint()
        self.new_certificate()
        wait_until(lambda: self.fingerprint() != before, "the new certificate without a word")
        self.assert_alive(staying + going)

        os.remove(os.path.join(self.folder, "goes.toml"))
        self.assertIn("goes@lab.test", self.reload())
        for client in going:
            self.assertIn(b"BYE", client.rest())
        self.assert_alive(staying)
        self.assertIn("L1 NO [AUTHENTICATIONFAILED]", self.log_in(self.goes))

    def test_files_that_change_are_seen_without_a_word(self):
        self.start()
        staying = self.idle(self.stays, 5)
        comes = Account("comes@lab.test", "robot-opaque", self.upstream.port)
        self.write_account("comes", comes)
        self.gateway.command("account", "password", comes.login, stdin=comes.password())
        wait_until(lambda: "L1 OK" in self.log_in(comes), "a login of the new account")
        self.assert_alive(staying)

    def test_a_broken_file_changes_nothing(self):
        self.start()
        staying = self.idle(self.stays, 5)
        path = os.path.join("accounts.d", "broken.toml")
        for text, word in (
            ("[[account]]\nlogin = \n", "broken.toml"),
            ('[[account]]\nlogin = "x@lab.test"\nno_such_key = 1\n', "no_such_key"),
            (self.gateway.account_toml(self.stays), "already an account with this login"),
        ):
            with self.subTest(text=text):
                self.gateway.write(path, text)
                done = run_reload(self.gateway)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(word, (done.stdout + done.stderr).decode())
                self.assert_alive(staying)
                self.assertIn("L1 OK", self.log_in(self.goes))
        self.gateway.wait_for_log("stays as it was")
        os.remove(os.path.join(self.gateway.folder, path))
        self.reload()
        self.assert_alive(staying)

    # --- a certificate of its own ---

    def use_a_certificate_of_its_own(self):
        self.new_certificate()
        self.gateway.rewrite(self.world.certificate, self.path("own", "localhost.pem"))
        self.gateway.rewrite(self.world.key, self.path("own", "localhost.key"))
        self.reload()

    def new_certificate(self):
        made = run([os.path.join(ROOT, "certs", "make"), self.path("own"), "2"])
        self.assertEqual(made.returncode, 0, made.stderr)

    def path(self, *names):
        return os.path.join(self.gateway.folder, *names)

    def fingerprint(self):
        """Of the certificate that a new connection gets."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.gateway.port("imap", "implicit")), timeout=30) as plain:
            with context.wrap_socket(plain) as secure:
                return secure.getpeercert(binary_form=True)


def run_reload(gateway):
    return run([binary(), "reload"], env=gateway.environment())
