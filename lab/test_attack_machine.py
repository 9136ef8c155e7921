"""Another user of the same machine: what they may open, what they may put in its place, whom they may ask."""

import os
import shutil
import socket
import stat
import unittest

import lab
from gateway import Account, Gateway, binary
from process import run
from raw import RawImap
from upstream.imap import RecordingImap

# Numbers that nobody needs to have.
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


class Machine(unittest.TestCase):
    def setUp(self):
        world = lab.world()
        imap = self.enterContext(RecordingImap(world))
        self.account = Account("alice@lab.test", "robot", imap.port)
        name = f"machine-{self.id().split('.')[-1]}"
        # Whatever the shell that starts us had.
        self.addCleanup(os.umask, os.umask(0))
        self.gateway = Gateway(world, name, [self.account], modes=("none", "implicit"))
        os.chmod(self.gateway.folder, 0o755)
        self.addCleanup(self.gateway.__exit__, None, None, None)

    def start(self):
        self.gateway.command("account", "password", self.account.login, stdin=self.account.password())
        self.gateway.start()

    def state(self, *names):
        return os.path.join(self.gateway.state, *names)

    def start_in_vain(self):
        """What it says, and with which code it ends."""
        command = [binary(), "run", "--config", self.gateway.config, "--state", self.gateway.state]
        done = run(command, env=self.gateway.environment())
        self.assertNotEqual(done.returncode, 0)
        return (done.stdout + done.stderr).decode()

    def test_all_that_is_made_is_closed_whatever_the_umask(self):
        self.start()
        made = {name: mode(self.state(name)) for name in os.listdir(self.gateway.state)}
        self.assertEqual(mode(self.gateway.state), 0o700)
        self.assertLessEqual({"key", "store.sqlite", "control.sock", "control.lock"}, set(made))
        self.assertEqual({name: bits for name, bits in made.items() if bits & 0o077}, {})
        out = os.path.join(self.gateway.folder, "certificates")
        os.mkdir(out)
        self.gateway.command("cert", "new", "--out", out)
        keys = {name: mode(os.path.join(out, name)) for name in os.listdir(out) if "key" in name}
        self.assertEqual(keys, {"saslgate-key.pem": 0o600})

    def test_what_is_too_open_is_refused_with_the_command_that_closes_it(self):
        self.start()
        self.gateway.stop()
        secret = os.path.join(self.gateway.folder, "client-secret")
        modes = 0o640, 0o604, 0o620, 0o602, 0o666
        files = {self.state("key"): modes, self.state("store.sqlite"): modes, secret: modes}
        folders = {self.gateway.state: (0o777, 0o1777), os.path.join(self.gateway.folder, "accounts.d"): (0o777, 0o707)}
        os.mkdir(os.path.join(self.gateway.folder, "accounts.d"), 0o755)
        for path, modes in (files | {self.gateway.config: (0o602, 0o666, 0o646)} | folders).items():
            was = mode(path)
            for open_mode in modes:
                os.chmod(path, open_mode)
                said = self.start_in_vain()
                self.assertIn(path, said, oct(open_mode))
                self.assertIn("chmod", said)
            os.chmod(path, was)
        # By itself each was good: it starts.
        self.gateway.start()

    def test_a_key_of_a_certificate_that_all_may_read_is_told(self):
        key = os.path.join(self.gateway.folder, "local.key")
        shutil.copy(lab.world().key, key)
        os.chmod(key, 0o644)
        self.gateway.rewrite(lab.world().key, key)
        self.start()
        self.gateway.wait_for_log(f"chmod o-r {key}")

    def test_a_reload_takes_nothing_that_all_may_write(self):
        self.start()
        os.chmod(self.gateway.config, 0o666)
        self.gateway.command("reload", fails=True)
        os.chmod(self.gateway.config, 0o600)
        self.gateway.command("reload")

    def test_links_in_a_state_folder_lead_nowhere(self):
        """What somebody has put there before, in the place of what is to be made: its target stays as it was."""
        victim = os.path.join(self.gateway.folder, "victim")
        with open(os.open(victim, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write("the victim's own")
        for name in ("key", "store.sqlite", "control.lock", "control.sock"):
            for kind in (os.symlink, os.link):
                self.gateway.state = os.path.join(self.gateway.folder, f"{kind.__name__}-{name}")
                os.mkdir(self.gateway.state, 0o700)
                kind(victim, self.state(name))
                of_the_daemon = name.startswith("control")
                self.gateway.command(
                    "account", "password", self.account.login, stdin=self.account.password(), fails=not of_the_daemon
                )
                if of_the_daemon:
                    self.gateway.start()
                    self.gateway.stop()
                with open(victim, encoding="utf-8") as file:
                    self.assertEqual(file.read(), "the victim's own", self.gateway.state)
        # A link to nothing makes nothing there.
        for name in ("key", "store.sqlite"):
            self.gateway.state = os.path.join(self.gateway.folder, f"dangling-{name}")
            os.mkdir(self.gateway.state, 0o700)
            os.symlink(os.path.join(self.gateway.folder, f"elsewhere-{name}"), self.state(name))
            self.gateway.command("account", "password", self.account.login, stdin="any password", fails=True)
        self.assertEqual([name for name in os.listdir(self.gateway.folder) if name.startswith("elsewhere")], [])

    def test_a_folder_that_all_may_write_is_none_for_secrets(self):
        """As /tmp is, with its sticky bit; nothing is made there."""
        self.gateway.state = os.path.join(self.gateway.folder, "tmp")
        os.mkdir(self.gateway.state)
        os.chmod(self.gateway.state, 0o1777)
        self.assertIn("chmod 700", self.start_in_vain())
        self.assertEqual(os.listdir(self.gateway.state), [])

    def test_another_user_opens_nothing_and_asks_nobody(self):
        if os.getuid() != 0 or not shutil.which("setpriv"):
            self.skipTest("only root can be another user")
        self.start()
        opened = run([*NOBODY, "python3", "-c", READER, self.gateway.folder, self.gateway.state])
        self.assertEqual(opened.stdout.decode(), "", opened.stderr.decode())
        # With the folder and the socket open to all, the daemon itself looks who asks.
        os.chmod(self.gateway.state, 0o711)
        os.chmod(self.state("control.sock"), 0o666)
        asked = run([*NOBODY, "python3", "-c", ASKER, self.state("control.sock")])
        self.assertEqual(asked.stdout.decode(), "b''\n", asked.stderr.decode())
        self.gateway.wait_for_log("sent away from the control socket")
        with socket.socket(socket.AF_UNIX) as ours:
            ours.connect(self.state("control.sock"))
            ours.sendall(b'{"request":"status"}\n')
            self.assertTrue(ours.recv(10))
        # What is told to everybody, without a local password: nothing.
        with RawImap(self.gateway.port("imap")) as client:
            self.assertIn("a BAD", client.command("a", "SELECT INBOX"))


# Prints each file below these folders that can be opened.
READER = """
import os, sys
for top in sys.argv[1:]:
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            try:
                open(path, 'rb').close()
                print(path)
            except OSError:
                pass
"""
ASKER = """
import socket, sys
asked = socket.socket(socket.AF_UNIX)
asked.connect(sys.argv[1])
try:
    asked.sendall(b'{"request":"status"}\\n')
    print(asked.recv(1000))
except OSError:
    print(b'')
"""


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)
