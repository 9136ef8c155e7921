"""Bad days of the store: what people read, and that no sign-in is lost by it."""

import os
import sqlite3
import subprocess
import unittest.mock
from concurrent.futures import ThreadPoolExecutor

from gateway import Gateway, binary
from process import LabError, run, wait_until
from test_errors import Case, status
from test_soak import log_in
from upstream.token import Grant


class Stores(Case):
    """An account whose refresh token is another after each refresh: what the provider was shown tells whether
    one was lost."""

    def rotating(self, name, **members):
        self.given = []

        def rotate(form):
            self.given.append(f"Rotated-{len(self.given)}")
            return Grant(refresh_token=self.given[-1], **members)

        return self.account(name, rotate)

    def assert_none_was_lost(self, name):
        shown = [form["refresh_token"] for form in self.endpoint.forms(name)]
        self.assertEqual(shown, [f"Refresh-{name}@lab.test", *self.given][: len(shown)])

    def store(self, *names):
        return os.path.join(self.gateway.state, *(names or ("store.sqlite",)))

    def start_in_vain(self):
        """What the program says that does not start."""
        command = [binary(), "run", "--config", self.gateway.config, "--state", self.gateway.state]
        done = run(command, patience=30, env=self.gateway.environment())
        self.assertNotEqual(done.returncode, 0)
        return (done.stdout + done.stderr).decode()

    def stop_with_a_sign_in(self, name):
        """A store that has something to lose."""
        account = self.rotating(name)
        self.start([account])
        self.assertIn("L1 OK", self.imap(account))
        self.gateway.stop()
        return account

    def start_again(self, account, name):
        """An hour later, when all is as it was: the next refresh goes well."""
        self.gateway.start(later=61)
        self.assertIn("L1 OK", self.imap(account))
        self.assertEqual(len(self.endpoint.forms(name)), 2)
        self.assert_none_was_lost(name)

    def test_the_key_is_missing(self):
        account = self.stop_with_a_sign_in("keyless")
        os.rename(self.store("key"), self.store("kept-key"))
        words = self.start_in_vain()
        self.assertIn(self.store("key"), words)
        self.assertRegex(words, "(?i)restore|backup")
        self.assertFalse(os.path.exists(self.store("key")), "a new key beside an old store")
        self.assertNotEqual(status(self.gateway)[0], 0)
        os.rename(self.store("kept-key"), self.store("key"))
        self.start_again(account, "keyless")

    def test_another_key(self):
        account = self.stop_with_a_sign_in("rekeyed")
        os.rename(self.store("key"), self.store("kept-key"))
        with open(os.open(self.store("key"), os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(os.urandom(32))
        self.assertIn("key does not fit", self.start_in_vain())
        os.replace(self.store("kept-key"), self.store("key"))
        self.start_again(account, "rekeyed")

    def test_a_newer_version(self):
        account = self.stop_with_a_sign_in("newer")
        before = self.set_version(99)
        self.assertIn("newer saslgate", self.start_in_vain())
        self.set_version(before)
        self.start_again(account, "newer")

    def set_version(self, version):
        store = sqlite3.connect(self.store())
        try:
            before = store.execute("PRAGMA user_version").fetchone()[0]
            store.execute(f"PRAGMA user_version = {version}")
            store.commit()
        finally:
            store.close()
        return before

    def test_a_damaged_store(self):
        account = self.stop_with_a_sign_in("damaged")
        with open(self.store(), "r+b") as file:
            good = file.read()
            file.seek(0)
            file.write(b"This is no store. " * 10)
        self.assertIn("damaged", self.start_in_vain())
        with open(self.store(), "wb") as file:
            file.write(good)
        self.start_again(account, "damaged")

    def on_a_small_disk(self):
        """The state folder on a file system of its own that a test can fill, or make read-only."""
        if os.getuid() != 0:
            self.skipTest("only root can mount a small disk")
        folder = self.world.path(f"disk-{len(Gateway.all)}")
        os.mkdir(folder, 0o700)
        mounted = run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", folder])
        if mounted.returncode:
            self.skipTest(f"no small disk can be mounted: {mounted.stderr.decode().strip()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", folder], check=True)
        return folder

    def start_on_a_small_disk(self, account):
        folder = self.on_a_small_disk()
        made = Gateway.__init__

        def on_disk(gateway, *arguments, **named):
            made(gateway, *arguments, **named)
            gateway.state = folder

        with unittest.mock.patch.object(Gateway, "__init__", on_disk):
            self.start([account])
        return folder

    def refuse_and_recover(self, name, account, mend):
        """Its tokens end at once, so that each login needs the store."""
        wait_until(lambda: "L1 NO" in self.note(self.imap(account)), "a refusal")
        self.assertIn("L1 NO [UNAVAILABLE]", self.heard[-1])
        mend()
        wait_until(lambda: "L1 OK" in self.note(self.imap(account)), "a login after that")
        self.assertEqual([answer for answer in self.heard if "AUTHENTICATIONFAILED" in answer], [])
        self.gateway.kill()
        self.gateway.start(later=5)
        self.assertIn("L1 OK", self.imap(account))
        self.assert_none_was_lost(name)

    def note(self, answer):
        self.heard.append(answer)
        return answer

    def setUp(self):
        super().setUp()
        self.heard = []

    def test_a_full_disk(self):
        account = self.rotating("full", expires_in=1)
        folder = self.start_on_a_small_disk(account)
        self.assertIn("L1 OK", self.imap(account))
        filler = os.path.join(folder, "filler")
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        self.refuse_and_recover("full", account, lambda: os.remove(filler))

    def test_a_read_only_disk(self):
        account = self.rotating("read-only")
        folder = self.start_on_a_small_disk(account)
        self.assertIn("L1 OK", self.imap(account))
        self.gateway.stop()
        self.remount(folder, "ro")
        self.refuse_to_start_read_only()
        self.remount(folder, "rw")
        self.start_again(account, "read-only")

    def test_a_read_only_disk_after_kill_9(self):
        """SQLite opens a store whose log lies beside it, even if neither can be written."""
        account = self.rotating("killed-read-only")
        folder = self.start_on_a_small_disk(account)
        self.assertIn("L1 OK", self.imap(account))
        self.gateway.kill()
        self.assertTrue(os.path.exists(self.store("store.sqlite-wal")))
        self.remount(folder, "ro")
        self.refuse_to_start_read_only()
        # Whoever only looks may.
        self.assertIn("default", self.gateway.command("account", "list"))
        self.assertIn("default", self.gateway.command("account", "show", account.login))
        code, overview = status(self.gateway)
        self.assertEqual((code, [entry["state"] for entry in overview["accounts"]]), (0, ["ok"]))
        self.remount(folder, "rw")
        self.start_again(account, "killed-read-only")

    def refuse_to_start_read_only(self):
        words = self.start_in_vain()
        self.assertIn(self.store(), words)
        self.assertIn("read-only", words)

    def remount(self, folder, how):
        done = run(["mount", "-o", f"remount,{how}", folder])
        if done.returncode:
            raise LabError(f"remount: {done.stderr.decode()}")


class TwoProcesses(Case):
    def test_one_refresh_for_both(self):
        account = self.account("shared", Grant())
        self.start([account])
        twin = Gateway(self.world, f"{self.gateway.name}-twin", [account])
        twin.state = self.gateway.state
        self.addCleanup(twin.__exit__, None, None, None)
        self.assertIn("L1 OK", self.imap(account))
        self.gateway.stop()
        for gateway in (self.gateway, twin):
            gateway.start(later=61)
        answers = at_both(self.gateway, twin, account)
        self.assertEqual([answer for answer in answers if "L1 OK" not in answer], [])
        self.assertEqual(len(self.endpoint.forms("shared")), 2)


def at_both(one, other, account):
    """Ten logins at each, all at once."""
    with ThreadPoolExecutor(20) as pool:
        return list(pool.map(lambda number: log_in((one, other)[number % 2], account), range(20)))
