"""Postfix, which leaves authentication to the Dovecots: two ports for tokens, two for passwords.

It runs as root only (its processes become user postfix themselves), in a folder of its own; the Postfix
that the Debian package brings is neither used nor started.
"""

import grp
import os
import pwd
import shutil

from process import LabError, Process, free_port, port_answers, run
from servers.dovecot import mail_owner
from servers.template import fill, program

SERVICES = ("submission", "submissions", "password_submission", "password_submissions")


class Postfix:
    """One running Postfix; each name of SERVICES is an attribute with its port."""

    def __init__(self, world, mailboxes):
        self.home = world.path("postfix")
        for service in SERVICES:
            setattr(self, service, free_port())
        for name in ("", "queue", "data"):
            os.mkdir(os.path.join(self.home, name), 0o755)
        shutil.chown(os.path.join(self.home, "data"), "postfix")
        user, group = mail_owner()
        names = vars(self) | {
            "certificate": world.certificate, "key": world.key, "mail": world.mail, "sink": world.sink.port,
            "mail_uid": pwd.getpwnam(user).pw_uid, "mail_gid": grp.getgrnam(group).gr_gid,
            "mailboxes": ", ".join(f"{{{mailbox} = {mailbox}/Maildir/}}" for mailbox in sorted(mailboxes)),
            "tokens": world.dovecot.sasl, "passwords": world.password_dovecot.sasl,
        }
        for name in ("main.cf", "master.cf"):
            fill(name, os.path.join(self.home, name), names)
        self._check(world.path("postfix.log"))
        # Not `postfix start-fg`: that is a shell script, which leaves its daemon behind when it is told to end.
        self.process = Process("postfix", [self._master(), "-c", self.home, "-s"], world.path("postfix.log"))

    def _check(self, log):
        """Makes what is missing in the queue's folder, as a start does."""
        command = program("postfix")
        if not command:
            raise LabError("postfix is missing")
        checked = run([command, "-c", self.home, "check"])
        with open(log, "wb") as file:
            file.write(checked.stdout + checked.stderr)
        if checked.returncode:
            raise LabError(f"postfix check: {checked.stderr.decode()}")

    def _master(self):
        folder = run([program("postconf"), "-c", self.home, "-h", "daemon_directory"])
        return os.path.join(folder.stdout.decode().strip(), "master")

    def wait_ready(self):
        self.process.wait_ready(lambda: all(port_answers(getattr(self, service)) for service in SERVICES), "its ports")
