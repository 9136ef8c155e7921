"""Dovecot, twice: one believes access tokens and nothing else, the other passwords and nothing else.

Both show the same mailboxes, so that what goes in by one may be read by the other.
"""

import getpass
import grp
import os
import pwd

from process import LabError, Process, free_port, port_answers
from servers.template import fill, program

SERVICES = ("imap", "imaps", "pop3", "pop3s", "submission", "submissions")


def mail_owner():
    """Who owns the mailboxes: (user, group)."""
    user = "nobody" if os.getuid() == 0 else getpass.getuser()
    return user, grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


class Dovecot:
    """One running Dovecot; each name of SERVICES is an attribute with its port."""

    def __init__(self, world, name, passwords=None):
        """Believes tokens; or `passwords`, a dict of users, where that is given."""
        self.home = world.path(name)
        # The socket where Postfix asks.
        self.sasl = os.path.join(self.home, "sasl")
        os.mkdir(self.home, 0o711)
        for service in SERVICES:
            setattr(self, service, free_port())
        kind = "tokens" if passwords is None else "passwords"
        names = self._names(world) | vars(self) | {
            "log": world.path(f"{name}.log"),
            "mechanisms": "xoauth2 oauthbearer" if passwords is None else "plain login",
        }
        fill("dovecot.conf", self._path("dovecot.conf"), names)
        fill(f"dovecot-{kind}.conf", self._path("dovecot-passdb.conf"), names)
        for file in ("dovecot-jwt.conf", "dovecot-opaque.conf"):
            fill(file, self._path(file), names)
        with open(self._path("passwd"), "w", encoding="utf-8") as file:
            file.writelines(f"{user}:{password}\n" for user, password in (passwords or {}).items())
        command = program("dovecot")
        if not command:
            raise LabError("dovecot is missing")
        self.process = Process(name, [command, "-F", "-c", self._path("dovecot.conf")], world.path(f"{name}.out"))

    def wait_ready(self):
        self.process.wait_ready(lambda: all(port_answers(getattr(self, service)) for service in SERVICES), "its ports")

    def _path(self, name):
        return os.path.join(self.home, name)

    def _names(self, world):
        """What the templates take from the world and from who runs the tests."""
        root = os.getuid() == 0
        me, my_group = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
        mail_user, mail_group = mail_owner()
        return {
            "certificate": world.certificate, "key": world.key, "keys": world.path("keys"), "mail": world.mail,
            "https_port": world.https_port, "http_port": world.http_port, "sink": world.sink.port,
            "mail_user": mail_user, "mail_group": mail_group,
            "internal_user": "dovecot" if root else me,
            "internal_group": "dovecot" if root else my_group,
            "login_user": "dovenull" if root else me,
            "login_chroot": "login" if root else "",
        }
