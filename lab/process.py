"""Programs that the lab starts: each writes to a file in the lab's folder, and is waited for, never guessed.

The hard thing is time: nothing here sleeps and hopes. A program is ready when it says so in its log or
when its port answers, and a wait that fails shows the log.
"""

import os
import random
import signal
import socket
import subprocess
import time

# A wait that takes longer than this has failed; every wait ends at once when its event comes.
PATIENCE = 30


class LabError(Exception):
    """The lab itself does not work: a program is missing, does not start, or does not answer."""


def free_port(taken=set()):
    """A loopback port nobody listens on, below the range from which outgoing connections take theirs."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in taken:
            taken.add(port)
            return port


def wait_until(condition, what, patience=PATIENCE):
    """Asks `condition` until it gives something true, and returns that."""
    deadline = time.monotonic() + patience
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise LabError(f"waited {patience} s in vain for {what}")
        time.sleep(0.01)


def port_answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Process:
    """A program running in the background."""

    def __init__(self, name, command, log, **options):
        self.name = name
        self.log_path = log
        self._log = open(log, "ab")
        self._from = self._log.tell()
        self._popen = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT, **options
        )

    def log(self):
        """What this run has said so far."""
        with open(self.log_path, "rb") as file:
            file.seek(self._from)
            return file.read().decode("utf-8", "replace")

    def wait_ready(self, ready, what):
        """Waits until `ready()` is true; a program that ends before that is an error."""

        def look():
            if self._popen.poll() is not None:
                raise LabError(f"{self.name} ended with {self._popen.returncode}:\n{self.log()}")
            return ready()

        try:
            wait_until(look, f"{self.name}: {what}")
        except LabError as error:
            raise LabError(f"{error}\n--- {self.log_path}\n{tail(self.log_path)}") from None

    def running(self):
        return self._popen.poll() is None

    @property
    def pid(self):
        return self._popen.pid

    def send(self, number):
        self._popen.send_signal(number)

    def wait(self, patience=PATIENCE):
        """The exit code."""
        return self._popen.wait(patience)

    def kill(self):
        """kill -9, and the end of it."""
        if self.running():
            self.send(signal.SIGKILL)
        self.wait()
        self._log.close()

    def stop(self, number=signal.SIGTERM):
        """Asks it to end; returns the exit code. A program that does not is killed, and that is an error."""
        if self.running():
            self.send(number)
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise LabError(f"{self.name} did not stop on signal {number}\n{tail(self.log_path)}") from None
        self._log.close()
        return code


def resident(pid):
    """Octets of memory of any process."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise LabError("no VmRSS")


def tail(path, lines=60):
    if not os.path.exists(path):
        return "(no such file)"
    with open(path, "rb") as file:
        return b"\n".join(file.read().splitlines()[-lines:]).decode("utf-8", "replace")


def run(command, patience=120, **options):
    """Runs a program to its end and returns it with its output; never raises for an exit code."""
    return subprocess.run(command, capture_output=True, timeout=patience, check=False, **options)
