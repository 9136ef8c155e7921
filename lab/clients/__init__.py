"""Real mail programs, each driven as its users drive it: a module per protocol.

A client is made for one local TLS mode and one account. Every program believes the lab's CA and checks
the name. A password reaches a program by a file or on its input, as its users would have it.
"""

import email
import hashlib
import os
import pty
import select
import subprocess
import time

from process import PATIENCE, LabError, run


def message(message_id, size=0):
    """A small mail, or one of about `size` octets; CRLF throughout, as it travels."""
    lines = [
        "From: Lab <lab@lab.test>", "To: Alice <alice@lab.test>", f"Subject: {message_id}",
        f"Message-ID: <{message_id}@lab.test>", "Date: Wed, 25 Nov 2026 10:00:00 +0000", "",
        "A1 LOGIN looks like a command, {3} like a literal.", "",
    ]
    head = "\r\n".join(lines).encode()
    line = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/\r\n"
    return head + line * (max(0, size - len(head)) // len(line))


def digest(octets):
    """What to compare, because a difference of 25 MB helps nobody."""
    return f"{len(octets)} octets, {hashlib.sha256(octets).hexdigest()}"


class Client:
    """What a program is told."""

    def __init__(self, world, folder, port, mode, user, password):
        self.ca, self.folder, self.port, self.mode = world.ca, folder, port, mode
        self.user, self.password = user, password
        os.makedirs(folder, exist_ok=True)

    def file(self, name, text=""):
        path = os.path.join(self.folder, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def octets(self, name, octets):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(octets)
        return path

    def run(self, command, **options):
        environment = os.environ | {"HOME": self.folder, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        done = run(command, env=environment, cwd=self.folder, **options)
        if done.returncode:
            raise LabError(f"{command}: exit code {done.returncode}\n{(done.stdout + done.stderr).decode()}")
        return done.stdout

    def on_a_terminal(self, command):
        leader, follower = pty.openpty()
        environment = os.environ | {
            "HOME": self.folder, "TERM": "xterm", "LC_ALL": "C.UTF-8", "LINES": "30", "COLUMNS": "100",
        }
        program = subprocess.Popen(
            command, stdin=follower, stdout=follower, stderr=follower, env=environment,
            cwd=self.folder, start_new_session=True,
        )
        os.close(follower)
        screen, deadline = b"", time.monotonic() + PATIENCE
        try:
            while time.monotonic() < deadline:
                if not select.select([leader], [], [], 0.1)[0]:
                    continue
                try:
                    screen += os.read(leader, 65536)
                except OSError:  # the program has gone
                    break
            else:
                raise LabError(f"{command[0]} does not end:\n{screen[-3000:].decode('utf-8', 'replace')}")
        finally:
            program.kill()
            program.wait()
            os.close(leader)


def same_mail(one, other):
    """Whether two mails are the same but for what a delivery adds, and line ends as files have them."""
    one, other = (email.message_from_bytes(octets.replace(b"\r\n", b"\n")) for octets in (one, other))
    return one["Message-ID"] == other["Message-ID"] and one.get_payload() == other.get_payload()
