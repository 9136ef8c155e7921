"""`saslgate init` as a newcomer has it: from nothing to a mail that was read and one that was sent, in a conversation on a
pseudo-terminal and by flags alone; for a public client, a confidential one, and an application with a certificate."""

import fcntl
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import termios
import time
import unittest

import lab
from browser import Browser, Person
from cases import check_mail_works
from gateway import Account, Gateway, binary
from process import PATIENCE, LabError, run, wait_until
from world import CLIENT_SECRET, ROOT

GRETA, HANNA = "greta@lab.test", "hanna@lab.test"


class Begun(Gateway):
    """A gateway whose configuration is what `init` writes."""

    def __init__(self, world, name, account):
        super().__init__(world, name, [account])
        self.files = os.path.join(self.folder, "begun")
        self.config = os.path.join(self.files, "saslgate.toml")

    def environment(self):
        hidden = ("DISPLAY", "WAYLAND_DISPLAY")
        return {key: value for key, value in super().environment().items() if key not in hidden}

    def flags(self):
        """What the lab's provider is, which no preset knows."""
        world, dovecot = self.world, self.world.dovecot
        return [
            self.accounts[0].login, "--provider", "custom", "--issuer", world.issuer, "--ca-file", world.ca,
            "--scopes", "mail", "--imap-server", f"localhost:{dovecot.imaps}/implicit",
            "--smtp-server", f"localhost:{dovecot.submissions}/implicit",
            "--imap-port", str(self.port("imap")), "--smtp-port", str(self.port("smtp")),
        ]

    def told(self, words):
        """Remembers the password that was shown."""
        found = re.findall(r"^    Password +(\S+)\s*$", words, re.MULTILINE)
        if len(set(found)) != 1:
            raise LabError(f"init shows no password, or several:\n{words}")
        self.accounts[0].passwords["main"] = found[0]


def become_the_terminals():
    """Secrets are asked for at the terminal itself, whatever standard input is; and its Ctrl-C counts, though
    whoever runs the lab in the background may have it ignored."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Conversation:
    """The command with a person before it: `expect` waits until it has said so, `type` answers."""

    def __init__(self, gateway, *arguments, command=("init",)):
        self._terminal, inside = pty.openpty()
        self._process = subprocess.Popen(
            [binary(), *command, *arguments], stdin=inside, stdout=inside, stderr=inside,
            env=gateway.environment() | {"TERM": "xterm", "NO_COLOR": "1"}, start_new_session=True,
            preexec_fn=become_the_terminals,
        )
        os.close(inside)
        self.words, self._seen = "", 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)

    def _read(self, deadline):
        ready, _, _ = select.select([self._terminal], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            raise LabError(f"init waits, or does not end:\n{self.words}")
        try:
            octets = os.read(self._terminal, 65536)
        except OSError:
            return False
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", octets.decode("utf-8", "replace"))
        self.words += text.replace("\r\n", "\n").replace("\r", "")
        return bool(octets)

    def expect(self, text):
        """What was said since the last time, up to this."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.words[self._seen:]:
            if not self._read(deadline):
                raise LabError(f"init ended before it said {text!r}:\n{self.words}")
        end = self.words.index(text, self._seen) + len(text)
        said, self._seen = self.words[self._seen:end], end
        return said

    def type(self, line):
        os.write(self._terminal, line.encode() + b"\r")

    def type_hidden(self, line):
        """The question stands there a moment before the terminal shows nothing any more; no person is that quick."""
        wait_until(lambda: not termios.tcgetattr(self._terminal)[3] & termios.ECHO, "the terminal to hide what is typed")
        self.type(line)

    def answer(self, question, line):
        self.expect(question)
        self.type(line)

    def end(self):
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self._process.wait(PATIENCE)


class Case(unittest.TestCase):
    def begin(self, login, client, grant):
        self.world = lab.world()
        name = f"init-{self.id().split('.')[-1]}"
        dovecot = self.world.dovecot
        account = Account(login, client, dovecot.imaps, smtp=dovecot.submissions, grant=grant)
        self.gateway = Begun(self.world, name, account)

    def run_init(self, *arguments):
        done = run([binary(), "init", "--non-interactive", *arguments], env=self.gateway.environment())
        return done.returncode, done.stdout.decode() + done.stderr.decode()

    def assert_mail_works(self):
        self.gateway.start()
        self.addCleanup(self.gateway.stop)
        check_mail_works(self, self.gateway, self.gateway.accounts[0])

    def assert_no_secret_written(self):
        for folder, _, names in os.walk(self.gateway.files):
            for name in names:
                if name.endswith(".toml"):
                    with open(os.path.join(folder, name), encoding="utf-8") as file:
                        self.assertNotIn(CLIENT_SECRET, file.read())


class InConversation(Case):
    def test_public_client_with_a_browser(self):
        self.begin(GRETA, "public", "refresh_token")
        with Conversation(self.gateway, *self.gateway.flags(), "--no-open") as talk:
            talk.answer("Sign-in [paste]:", "?")
            self.assertIn("App-only is right", talk.expect("Sign-in [paste]:"))
            talk.type("browser")
            talk.answer("Protocols [imap, smtp]:", "")
            talk.answer("Client id:", "public")
            talk.answer("The application has [public]:", "")
            talk.expect("open this link in a browser on this machine:\n")
            link = talk.expect("\n").strip()
            with Browser(self.world) as browser:
                self.assertIn("Signed in", browser.sign_in(link, GRETA))
            talk.answer("Send a test mail", "n")
            code = talk.end()
        self.assertEqual(code, 0, talk.words)
        self.gateway.told(talk.words)
        self.assert_mail_works()

    def test_confidential_client_whose_sign_in_is_interrupted(self):
        self.begin(GRETA, "confidential", "refresh_token")
        flags = [*self.gateway.flags(), "--client-id", "confidential", "--sign-in", "paste"]
        with Conversation(self.gateway, *flags) as talk:
            talk.answer("Protocols [imap, smtp]:", "")
            talk.answer("The application has [public]:", "secret")
            talk.expect("Client secret (it is not shown): ")
            talk.type_hidden(CLIENT_SECRET)
            talk.expect("Address or code: ")
            os.write(talk._terminal, b"\x03")
            self.assertNotEqual(talk.end(), 0)
        self.assertNotIn(CLIENT_SECRET, talk.words)
        self.assert_no_secret_written()
        # The same again asks nothing that it knows, and goes on.
        with Conversation(self.gateway, GRETA) as talk:
            talk.expect("on any machine:\n")
            address = Person(self.world, GRETA).sign_in(talk.expect("\n").strip())
            talk.expect("Address or code: ")
            talk.type(address)
            talk.answer("Send a test mail", "y")
            code = talk.end()
        self.assertEqual(code, 0, talk.words)
        self.gateway.told(talk.words)
        self.assert_mail_works()

    def test_application_with_a_certificate_and_an_existing_configuration(self):
        self.begin(HANNA, "certificate", "client_credentials")
        os.mkdir(self.gateway.files, 0o700)
        main = f"# Mine.\n[[listen]]\nprotocol = \"imap\"\naddress = \"127.0.0.1:{self.gateway.port('imap')}\"\n" \
               f"[[listen]]\nprotocol = \"smtp\"\naddress = \"127.0.0.1:{self.gateway.port('smtp')}\"\n"
        with open(self.gateway.config, "w", encoding="utf-8") as file:
            file.write(main)
        keys = self.world.keys
        with Conversation(self.gateway, *self.gateway.flags()) as talk:
            talk.answer("Sign-in [paste]:", "app-only")
            talk.answer("Client id:", "certificate")
            talk.answer("The application has [secret]:", "certificate")
            talk.answer("Certificate:", keys.certificate)
            talk.answer("Its key [", keys.key)
            talk.answer("Send a test mail", "n")
            code = talk.end()
        self.assertEqual(code, 0, talk.words)
        self.gateway.told(talk.words)
        with open(self.gateway.config, encoding="utf-8") as file:
            self.assertEqual(file.read(), main)
        # By another of its names it is the same account.
        path = os.path.join(self.gateway.files, "accounts.d", f"{HANNA}.toml")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("[[account]]\n", '[[account]]\naliases = ["hanna"]\n'))
        code, words = self.run_init("hanna", "--no-test-mail")
        self.assertEqual(code, 0, words)
        self.assertIn(f"{HANNA} is in the configuration already", words)
        self.assertIn("It has a local password already", words)
        self.assert_mail_works()

    def test_ctrl_c_at_a_question_leaves_nothing(self):
        self.begin(GRETA, "public", "refresh_token")
        with Conversation(self.gateway) as talk:
            talk.expect("Mail address:")
            os.write(talk._terminal, b"\x03")
            self.assertNotEqual(talk.end(), 0)
        self.assertFalse(os.path.exists(self.gateway.files))


class ByFlags(Case):
    def sign_in(self, *flags):
        """Nothing is asked but what only the person who signs in can know."""
        flags = [*self.gateway.flags(), "--non-interactive", "--sign-in", "paste", "--no-test-mail", *flags]
        with Conversation(self.gateway, *flags) as talk:
            talk.expect("on any machine:\n")
            address = Person(self.world, GRETA).sign_in(talk.expect("\n").strip())
            talk.expect("Address or code: ")
            talk.type(address)
            code = talk.end()
        self.assertEqual(code, 0, talk.words)
        self.gateway.told(talk.words)
        self.assert_mail_works()

    def test_public_client(self):
        self.begin(GRETA, "public", "refresh_token")
        self.sign_in("--client-id", "public", "--public")

    def test_confidential_client(self):
        self.begin(GRETA, "confidential", "refresh_token")
        self.gateway.write("my-secret", CLIENT_SECRET + "\n")
        file = os.path.join(self.gateway.folder, "my-secret")
        self.sign_in("--client-id", "confidential", "--client-secret-file", file)
        self.assert_no_secret_written()

    def test_application_with_a_new_certificate(self):
        self.begin(HANNA, "new-certificate", "client_credentials")
        flags = [
            *self.gateway.flags(), "--sign-in", "app-only", "--client-id", "new-certificate",
            "--new-client-certificate", "--no-test-mail",
        ]
        code, words = self.run_init(*flags)
        self.gateway.told(words)
        # The provider has not got it yet: the check says so, and what is done stays.
        self.assertEqual(code, 1, words)
        self.assertIn("is to be uploaded now", words)
        with open(os.path.join(self.gateway.files, "client-certificate.pem"), encoding="utf-8") as file:
            self.world.provider("register", client="new-certificate", like="certificate", certificate=file.read())
        code, words = self.run_init(*flags)
        self.assertEqual(code, 0, words)
        self.assert_mail_works()

    def test_as_the_readme_says(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            section = file.read().split("## Five minutes")[1].split("\n## ")[0]
        commands = re.findall(r"^ *saslgate (init (?:.*\\\n)*.*)$", section, re.MULTILINE)
        commands = [shlex.split(it.replace("\\\n", " ")) for it in commands if "--non-interactive" in it]
        self.assertEqual(len(commands), 3)
        keys = lab.world().keys
        for command in commands:
            with self.subTest(command), tempfile.TemporaryDirectory() as home:
                for name, of in (("client-certificate.pem", keys.certificate), ("client-key.pem", keys.key)):
                    shutil.copy(of, os.path.join(home, name))
                with open(os.open(os.path.join(home, "client-secret"), os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                    file.write(CLIENT_SECRET)
                config = os.path.join(home, "begun", "saslgate.toml")
                environment = os.environ | {
                    "SASLGATE_CONFIG": config, "SASLGATE_STATE": os.path.join(home, "state"), "HOME": home,
                }
                # The shell's part; nobody signs in, and nobody is asked over the network.
                command = ["later" if it == "browser" else it.replace("~", home) for it in command]
                rights = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
                alone = ["unshare", "--net", *rights, "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
                done = run([*alone, binary(), *command], env=environment, cwd=home)
                words = done.stdout.decode() + done.stderr.decode()
                # To sign in later was asked for; that nothing can be checked here was not.
                code, end = (0, "is set up. What is left:") if "later" in command else (1, "is set up, but not finished")
                self.assertEqual(done.returncode, code, words)
                self.assertIn(end, words)
                self.assertRegex(words, r"(?m)^    Password +\S+")
                checked = run([binary(), "config", "check"], env=environment)
                self.assertEqual(checked.returncode, 0, checked.stdout.decode() + checked.stderr.decode())

    def test_application_with_a_certificate(self):
        self.begin(HANNA, "certificate", "client_credentials")
        keys = self.world.keys
        flags = [
            *self.gateway.flags(), "--sign-in", "app-only", "--client-id", "certificate",
            "--client-certificate", keys.certificate, "--client-key", keys.key, "--test-mail",
        ]
        code, words = self.run_init(*flags)
        self.assertEqual(code, 0, words)
        self.gateway.told(words)
        # Again: nothing is changed, and the password is not shown a second time.
        code, words = self.run_init(*flags)
        self.assertEqual(code, 0, words)
        self.assertNotIn(self.gateway.accounts[0].password(), words)
        self.assertNotIn("Not used", words)
        code, words = self.run_init(HANNA, "--client-id", "another", "--no-test-mail")
        self.assertEqual(code, 0, words)
        self.assertIn("--client-id (in force: certificate)", words)
        self.assert_mail_works()

    def test_everything_that_is_missing_is_named_at_once(self):
        self.begin(HANNA, "certificate", "client_credentials")
        code, words = self.run_init()
        self.assertEqual(code, 2, words)
        for flag in ("nothing was written", "ADDRESS", "--provider", "--sign-in", "--client-id"):
            self.assertIn(flag, words)
        code, words = self.run_init(HANNA, "--provider", "custom", "--sign-in", "app-only")
        self.assertEqual(code, 2, words)
        for flag in ("--issuer", "--scopes", "--imap-server", "--smtp-server", "--client-id", "--client-certificate"):
            self.assertIn(flag, words)
        self.assertFalse(os.path.exists(self.gateway.files))

    def test_what_is_no_answer_is_refused_at_once(self):
        self.begin(HANNA, "certificate", "client_credentials")
        for address in ("x", "noat", "@", "a@b@c"):
            code, words = self.run_init(address, "--provider", "microsoft365", "--sign-in", "later", "--client-id", "id")
            self.assertEqual(code, 2, words)
            self.assertIn("is no mail address", words)
        code, words = self.run_init(HANNA, "--provider", "microsoft365", "--sign-in", "later", "--client-id", "")
        self.assertEqual(code, 2, words)
        self.assertIn("write the application's id", words)
        self.assertFalse(os.path.exists(self.gateway.files))

    def test_a_taken_port_is_said(self):
        self.begin(HANNA, "certificate", "client_credentials")
        flags = self.gateway.flags()
        flags[flags.index("--imap-port") + 1] = str(self.world.dovecot.imaps)
        keys = self.world.keys
        code, words = self.run_init(
            *flags, "--sign-in", "app-only", "--client-id", "certificate",
            "--client-certificate", keys.certificate, "--client-key", keys.key,
        )
        self.assertEqual(code, 2, words)
        self.assertIn("is taken by another program", words)
        self.assertFalse(os.path.exists(self.gateway.files))
