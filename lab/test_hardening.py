"""The process itself: what is in its memory stays there, and what it does not need it cannot reach.

The hard thing is to be somebody else: root may look everywhere, so who tries is another user of the same id,
without root's rights.
"""

import base64
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import unittest

import lab
from gateway import Account, Gateway, Server, binary
from process import PATIENCE, free_port, run, wait_until
from raw import RawImap, RawPop3, RawSmtp
from upstream.imap import RecordingImap
from world import CLIENT_SECRET, UPSTREAM_PASSWORD

NOBODY = 65534

# Becomes the daemon with core dumps as large as they like, as another user and without root's rights.
WITHOUT_RIGHTS = [sys.executable, "-c", f"""
import os, resource, sys
resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
if os.getuid() == 0:
    os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
os.chdir(sys.argv[1])
os.execv(sys.argv[2], sys.argv[2:])
"""]

# Tries to look into a process: exit code 0 if it can.
LOOK = [sys.executable, "-c", f"""
import ctypes, os, sys
if os.getuid() == 0:
    os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
what, pid = sys.argv[1], int(sys.argv[2])
PTRACE_SEIZE = 0x4206
if what == "ptrace":
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    sys.exit(0 if libc.ptrace(PTRACE_SEIZE, pid, None, None) == 0 else 1)
try:
    open(f"/proc/{{pid}}/{{what}}", "rb").read(0)
except PermissionError:
    sys.exit(1)
"""]


class Memory(unittest.TestCase):
    """A daemon of an ordinary user."""

    def setUp(self):
        self.world = lab.world()
        self.folder = self.world.path(self.id().split(".")[-1])
        os.mkdir(self.folder, 0o700)
        with open(os.path.join(self.folder, "saslgate.toml"), "w", encoding="ascii") as file:
            file.write(
                f'[[listen]]\naddress = "127.0.0.1:{free_port()}"\n[[account]]\nlogin = "me@example.com"\n'
                'provider = "microsoft365"\ntenant = "example.com"\nclient_id = "id"\n'
            )
        self.home = os.path.dirname(self.folder)
        # The program lies where only we may look; the folders on the way are opened to be passed through.
        self.program = os.path.join(self.folder, "saslgate")
        shutil.copy(binary(), self.program)
        if os.getuid() == 0:
            self.addCleanup(os.chmod, self.home, os.stat(self.home).st_mode & 0o777)
            os.chmod(self.home, 0o711)
            for name in (self.folder, self.program, os.path.join(self.folder, "saslgate.toml")):
                os.chown(name, NOBODY, NOBODY)

    def start(self, program, *arguments):
        process = subprocess.Popen(
            [*WITHOUT_RIGHTS, self.folder, program, *arguments], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def daemon(self):
        process = self.start(
            self.program, "run", "--config", os.path.join(self.folder, "saslgate.toml"),
            "--state", os.path.join(self.folder, "state"),
        )
        for line in process.stderr:
            if b"listening" in line:
                return process
        self.fail("it did not start")

    def cores(self):
        return [name for name in os.listdir(self.folder) if name.startswith("core")]

    def crash(self, process, number):
        # Rust's own handler takes the first SIGSEGV for a stack that has run over, and lets the second one through.
        for _ in range(2):
            os.kill(process.pid, number)
            try:
                process.wait(2)
                break
            except subprocess.TimeoutExpired:
                pass
        self.assertEqual(process.wait(PATIENCE), -number)

    def test_a_crash_leaves_no_core(self):
        with open("/proc/sys/kernel/core_pattern", encoding="ascii") as file:
            pattern = file.read().strip()
        if "/" in pattern or pattern.startswith("|"):
            self.skipTest(f"core dumps go elsewhere here ({pattern})")
        for number in (signal.SIGABRT, signal.SIGSEGV):
            daemon = self.daemon()
            with open(f"/proc/{daemon.pid}/limits", encoding="ascii") as file:
                self.assertRegex(file.read(), r"Max core file size +0 +0 ")
            # Raised again by root, where it may: the kernel's own mark still holds.
            if os.getuid() == 0:
                run(["prlimit", "--core=unlimited", "--pid", str(daemon.pid)])
            self.crash(daemon, number)
            self.assertEqual(self.cores(), [])
        # Another program in the same place leaves one, or the test would prove nothing.
        self.crash(self.sleeper(), signal.SIGABRT)
        self.assertNotEqual(self.cores(), [])

    def sleeper(self):
        process = self.start(shutil.which("sleep"), "600")
        wait_until(lambda: self.name_of(process.pid) == "sleep", "another program")
        return process

    def name_of(self, pid):
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            return file.read().strip()

    def test_another_process_of_the_same_user_cannot_look_into_it(self):
        can = lambda what, process: subprocess.run([*LOOK, what, str(process.pid)], check=False).returncode == 0
        other, daemon = self.sleeper(), self.daemon()
        for what in ("environ", "maps"):
            self.assertTrue(can(what, other), what)
            self.assertFalse(can(what, daemon), what)
        # Yama may forbid these for all but children, and then they tell nothing of us.
        for what in ("mem", "ptrace"):
            if yama() == 0:
                self.assertTrue(can(what, other), what)
            self.assertFalse(can(what, daemon), what)


def yama():
    """How much it forbids; nothing where it is not there."""
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", encoding="ascii") as file:
            return int(file.read())
    except FileNotFoundError:
        return 0


class Copies(unittest.TestCase):
    """Secrets in the memory of a daemon with work to do, as root sees them."""

    def test_a_local_password_is_wiped_after_each_login(self):
        if os.getuid() != 0:
            self.skipTest("only root may look into its memory")
        world = lab.world()
        dovecot = world.dovecot
        account = Account("alice@lab.test", "robot", dovecot.imaps, dovecot.pop3s, dovecot.submissions)
        stored = Account("bob@lab.test", None, Server(world.password_dovecot.imaps, password=UPSTREAM_PASSWORD))
        with Gateway(world, "copies", [account, stored]) as gateway:
            login = account.login, account.password()
            imap = self.enterContext(RawImap(gateway.port("imap")))
            self.assertIn("L1 OK", imap.login(*login))
            plain = base64.b64encode("\0".join(("", *login)).encode())
            second = self.enterContext(RawImap(gateway.port("imap")))
            second.send(b"P1 AUTHENTICATE PLAIN\r\n")
            self.assertTrue(second.line().startswith(b"+"))
            second.send(plain + b"\r\n")
            self.assertIn("P1 OK", second.answer("P1"))
            pop3 = self.enterContext(RawPop3(gateway.port("pop3")))
            self.assertRegex(pop3.login(*login), r"\+OK.*\r\n\+OK")
            smtp = self.enterContext(RawSmtp(gateway.port("smtp")))
            self.assertIn("235", smtp.login(*login))
            other = self.enterContext(RawImap(gateway.port("imap")))
            self.assertIn("L1 OK", other.login(stored.login, stored.password()))
            # Something else in each of the buffers.
            self.assertIn("N1 OK", imap.command("N1", "NOOP"))
            token, = world.provider("issued")[-1:]
            bearer = base64.b64encode(f"user={account.login}\1auth=Bearer {token}\1\1".encode())
            found = copies(gateway.pid, {
                "token": token.encode(), "bearer": bearer[-60:-8],
                "password": account.password().encode(), "plain": plain[-40:], "secret": CLIENT_SECRET.encode(), "second": stored.password().encode(),
                "stored": UPSTREAM_PASSWORD.encode(),
                "login": account.login.encode(),
            })
            print(f"[{found['password']} of the local password, {found['plain']} of its base64, "
                  f"{found['secret']} of the client secret, {found['stored']} of the stored password, "
                  f"{found['token']} of the access token, {found['bearer']} of what was sent with it]", file=sys.stderr, end=" ")
            self.assertGreater(found["login"], 0, "it found nothing at all")
            # Tokens are kept as long as they last; that what was sent is wiped, only the library for TLS could promise.
            wiped = ("password", "second", "plain")
            self.assertEqual({name: found[name] for name in wiped}, dict.fromkeys(wiped, 0))


def copies(pid, needles):
    """How often each stands in the memory that the process can write."""
    found = dict.fromkeys(needles, 0)
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            begin, end, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            if "w" not in rights or "[v" in line:
                continue
            memory.seek(int(begin, 16))
            try:
                content = memory.read(int(end, 16) - int(begin, 16))
            except OSError:
                continue
            for name, needle in needles.items():
                found[name] += content.count(needle)
    return found


# Writes down what it can see of itself, and then says its second argument.
NOTE = f"""#!{sys.executable}
import json, os, sys
seen = {{"environment": sorted(os.environ), "descriptors": []}}
for number in os.listdir("/proc/self/fd"):
    try:
        seen["descriptors"].append((int(number), os.readlink(f"/proc/self/fd/{{number}}")))
    except FileNotFoundError:
        pass  # That of the listing itself.
with open(sys.argv[1] + ".new", "w", encoding="utf-8") as file:
    json.dump(seen, file)
os.rename(sys.argv[1] + ".new", sys.argv[1])
print(sys.argv[2])
"""


class Children(unittest.TestCase):
    """Programs that the configuration names, and what they get to see."""

    def test_no_child_sees_a_secret_or_a_descriptor(self):
        world = lab.world()
        upstream = self.enterContext(RecordingImap(world))
        folder = world.path("children-seen")
        os.mkdir(folder, 0o700)
        note = os.path.join(folder, "note")
        with open(os.open(note, os.O_WRONLY | os.O_CREAT, 0o700), "w", encoding="ascii") as file:
            file.write(NOTE)
        program = lambda name, says: json.dumps([note, os.path.join(folder, name), says])
        accounts = [
            Account("by-program@lab.test", None, upstream.port, settings={
                "grant": '"external"', "token_command": program("token", "a-token-of-a-program")}),
            # Its secret is refused, so that there is something to tell.
            Account("dies@lab.test", "robot", upstream.port, settings={
                "client_secret": f"{{ command = {program('secret', CLIENT_SECRET + '-wrong')} }}"}),
            Account("in-a-variable@lab.test", "robot", upstream.port, settings={
                "client_secret": '{ env = "LAB_CLIENT_SECRET" }'}),
        ]
        gateway = Gateway(world, "children", accounts, settings=f"[hooks]\ncommand = {program('hook', '')}\n")
        gateway.rewrite(f'client_secret = {{ file = "{gateway.folder}/client-secret" }}\n', "")
        os.environ["LAB_CLIENT_SECRET"] = CLIENT_SECRET
        self.addCleanup(os.environ.pop, "LAB_CLIENT_SECRET")
        for account in accounts:
            gateway.command("account", "password", account.login, stdin=account.password())
        gateway.start(variables={
            "CREDENTIALS_DIRECTORY": folder, "NOTIFY_SOCKET": os.path.join(folder, "nobody"), "OTHER_SECRET": "other",
            "WATCHDOG_USEC": "60000000", "LANG": "C.UTF-8",
        })
        self.addCleanup(gateway.__exit__, None, None, None)
        with RawImap(gateway.port("imap")) as client:
            self.assertIn("L1", client.login(accounts[0].login, accounts[0].password()))
            with RawImap(gateway.port("imap")) as other:
                self.assertIn("L1 NO", other.login(accounts[1].login, accounts[1].password()))
            for name in ("secret", "token", "hook"):
                path = os.path.join(folder, name)
                wait_until(lambda path=path: os.path.exists(path), f"the {name} program")
                with open(path, encoding="utf-8") as file:
                    seen = json.load(file)
                names = set(seen["environment"])
                self.assertLessEqual({"PATH", "LANG"}, names, name)
                ours = {it for it in names if it.startswith(("SASLGATE", "NOTIFY", "WATCHDOG", "LISTEN", "CRED"))}
                self.assertEqual(ours | names & {"LAB_CLIENT_SECRET", "OTHER_SECRET", "RUST_BACKTRACE"}, set(), name)
                # Standard input, output and error alone.
                self.assertEqual([it for it in seen["descriptors"] if it[0] > 2], [], name)
        self.assertIn("since it runs programs", gateway.log())


def landlock():
    """The kernel's own answer which version it has: landlock_create_ruleset(NULL, 0, 1). Below 1, none."""
    return ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint32(1))


class Sandbox(unittest.TestCase):
    """Confined to its own files, where the kernel has Landlock."""

    def setUp(self):
        self.world = lab.world()
        self.upstream = self.enterContext(RecordingImap(self.world))
        self.account = Account("confined@lab.test", "robot-opaque", self.upstream.port)
        self.gateway = Gateway(self.world, f"confined-{len(Gateway.all)}", [self.account])
        self.account.password()

    def start(self):
        self.enterContext(self.gateway)
        confined = "saslgate is confined to its own files" in self.gateway.log()
        # The first one cannot rename between folders, so it is left alone.
        self.assertEqual(confined, landlock() >= 2, self.gateway.log())
        if not confined:
            self.skipTest("this kernel has no Landlock")

    def login(self):
        with RawImap(self.gateway.port("imap")) as client:
            self.assertIn("L1 OK", client.login(self.account.login, self.account.password()))

    def outside(self):
        """A folder that no configuration has named."""
        folder = self.world.path(f"outside-{self.id().split('.')[-1]}")
        os.mkdir(folder, 0o700)
        return folder

    def test_it_works_and_takes_what_is_put_in_the_place_of_its_files(self):
        self.start()
        self.login()
        # As editors and renewal programs do: another file under the same name.
        self.gateway.write("other-secret", CLIENT_SECRET)
        os.rename(f"{self.gateway.folder}/other-secret", f"{self.gateway.folder}/client-secret")
        self.gateway.write("new.toml", self.configuration() + "[limits]\nconnections_per_listener = 50\n")
        os.rename(f"{self.gateway.folder}/new.toml", self.gateway.config)
        self.assertIn("limits.connections_per_listener", self.gateway.command("reload"))
        self.gateway.command("account", "password", self.account.login, "--name", "second",
                             stdin=self.account.password("second"))
        self.login()

    def configuration(self):
        with open(self.gateway.config, encoding="utf-8") as file:
            return file.read()

    def test_a_reload_that_needs_more_says_restart(self):
        self.start()
        secret = os.path.join(self.outside(), "client-secret")
        shutil.copy(f"{self.gateway.folder}/client-secret", secret)
        before = self.configuration()
        self.gateway.rewrite(f"{self.gateway.folder}/client-secret", secret)
        told = self.refused()
        self.assertIn(secret, told)
        # Not a word of rights or owners, which are as they should be.
        self.assertNotIn("chown", told)
        # What is read later only is judged now.
        self.gateway.write("saslgate.toml", before.replace(
            'grant = "client_credentials"', f'grant = "external"\ntoken_file = "{secret}"',
        ).replace('client_id = "robot-opaque"\n', "").replace(
            f'client_secret = {{ file = "{self.gateway.folder}/client-secret" }}\n', ""))
        self.assertIn(secret, self.refused())
        self.gateway.write("saslgate.toml", '[hooks]\ncommand = ["true"]\n' + before)
        self.assertIn("hooks.command (true) cannot be run", self.refused())
        # This one is run while the configuration is read.
        self.gateway.write("saslgate.toml", before.replace(
            f'{{ file = "{self.gateway.folder}/client-secret" }}', '{ command = ["echo", "secret"] }'))
        self.assertIn("the program echo cannot be run", self.refused())
        self.gateway.write("saslgate.toml", '[hooks]\ncommand = ["true"]\n' + before)
        self.login()
        self.gateway.stop()
        self.gateway.start()
        self.assertIn("since it runs programs, which would be confined with it: hooks.command", self.gateway.log())
        self.login()

    def refused(self):
        done = run([binary(), "reload"], env=self.gateway.environment())
        self.assertNotEqual(done.returncode, 0, done.stdout)
        told = done.stderr.decode()
        self.assertIn("restart it (`systemctl restart saslgate`)", told)
        return told

    def test_it_can_be_switched_off(self):
        self.gateway.write("saslgate.toml", '[service]\nsandbox = "off"\n' + self.configuration())
        self.enterContext(self.gateway)
        self.assertNotIn("confined", self.gateway.log())
        self.login()
