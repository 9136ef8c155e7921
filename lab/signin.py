"""`saslgate signin`, as a person uses it: it says where to go, waits, and says how it went."""

import os
import subprocess

from gateway import binary
from process import PATIENCE, LabError


class SignIn:
    """`with SignIn(gateway, LOGIN, "--paste") as signin:`; `signin.link` is what it printed."""

    def __init__(self, gateway, login, *arguments):
        # No display, whatever the machine has.
        environment = {k: v for k, v in gateway.environment().items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
        self._words = open(os.path.join(gateway.folder, "signin.words"), "w+b")
        self._process = subprocess.Popen(
            [binary(), "signin", login, *arguments], env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._words,
        )

    def __enter__(self):
        self.link = self._process.stdout.readline().decode().strip()
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._words.close()

    def words(self):
        """What it has said to the person so far."""
        self._words.seek(0)
        return self._words.read().decode()

    def paste(self, line):
        """One line of standard input; how it ended."""
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        return self.end()

    def running(self):
        return self._process.poll() is None

    def end(self):
        """(exit code, what it said); the link stood alone on standard output."""
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise LabError(f"saslgate signin does not end:\n{self.words()}") from None
        more = self._process.stdout.read()
        if more:
            raise LabError(f"saslgate signin prints more than the link: {more}")
        return code, self.words()
