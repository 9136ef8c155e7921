"""Real mail programs, each driven as its users drive it.

A client is made for one local TLS mode and one way to log in, and has the same four verbs: `list()`,
`append(message)`, `fetch(message_id)`, and, where the program can do no less than all of it at once,
`sync`. What a program cannot do is not there. Every program believes the lab's CA and checks the name.
"""

import email
import imaplib
import mailbox
import os
import pty
import re
import select
import shutil
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

    def run(self, command, **options):
        environment = os.environ | {"HOME": self.folder, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        done = run(command, env=environment, cwd=self.folder, **options)
        if done.returncode:
            raise LabError(f"{command}: exit code {done.returncode}\n{(done.stdout + done.stderr).decode()}")
        return done.stdout


class Curl(Client):
    # The LOGIN command is what curl takes where no AUTH= is offered; the others' tests cover it.
    LOGINS = {
        "AUTHENTICATE LOGIN": ["--login-options", "AUTH=LOGIN"],
        "AUTHENTICATE PLAIN": ["--login-options", "AUTH=PLAIN"],
        "AUTHENTICATE PLAIN with SASL-IR": ["--login-options", "AUTH=PLAIN", "--sasl-ir"],
    }

    def curl(self, path, *arguments, login="AUTHENTICATE PLAIN"):
        scheme = "imaps" if self.mode == "implicit" else "imap"
        tls = ["--ssl-reqd"] if self.mode == "starttls" else []
        secret = self.file("curlrc", f'user = "{self.user}:{self.password}"\n')
        return self.run([
            "curl", "-sS", "--max-time", "60", "--cacert", self.ca, "-K", secret, *tls,
            *self.LOGINS[login], *arguments, f"{scheme}://localhost:{self.port}/{path}",
        ])

    def list(self, **login):
        return self.curl("", **login).decode()

    def append(self, octets, **login):
        path = os.path.join(self.folder, "append.eml")
        with open(path, "wb") as file:
            file.write(octets)
        self.curl("INBOX", "-T", path, **login)

    def fetch(self, message_id, **login):
        found = self.curl(f"INBOX?HEADER%20Message-ID%20{message_id}", **login).decode()
        numbers = re.fullmatch(r"\* SEARCH((?: \d+)+)\s*", found)
        if not numbers:
            raise LabError(f"curl does not find {message_id}: {found!r}")
        return self.curl(f"INBOX;MAILINDEX={numbers[1].split()[-1]}", **login)


class Imaplib(Client):
    def session(self, login="LOGIN command"):
        import ssl

        context = ssl.create_default_context(cafile=self.ca)
        if self.mode == "implicit":
            imap = imaplib.IMAP4_SSL("localhost", self.port, ssl_context=context, timeout=60)
        else:
            imap = imaplib.IMAP4("localhost", self.port, timeout=60)
        if self.mode == "starttls":
            imap.starttls(context)
        if login == "LOGIN command":
            imap.login(self.user, self.password)
        else:
            imap.authenticate("PLAIN", lambda _: f"\0{self.user}\0{self.password}".encode())
        return imap

    def list(self, **login):
        with self.session(**login) as imap:
            return b"\n".join(imap.list()[1]).decode()

    def append(self, octets, **login):
        with self.session(**login) as imap:
            answer, text = imap.append("INBOX", None, None, octets)
            if answer != "OK":
                raise LabError(f"APPEND: {text}")

    def fetch(self, message_id, **login):
        with self.session(**login) as imap:
            imap.select()
            numbers = imap.search(None, "HEADER", "Message-ID", message_id)[1][0].split()
            return imap.fetch(numbers[-1], "(BODY.PEEK[])")[1][0][1]


class Mbsync(Client):
    TLS = {"none": "None", "starttls": "STARTTLS", "implicit": "IMAPS"}

    def sync(self, octets, mechanism):
        """Brings both sides to the same state: `octets` goes up, all of INBOX comes down."""
        near = mailbox.Maildir(os.path.join(self.folder, "near"), create=True)
        near.add(octets)
        rc = self.file("mbsyncrc", f"""
IMAPStore far
Host localhost
Port {self.port}
User {self.user}
Pass {self.password}
SSLType {self.TLS[self.mode]}
CertificateFile {self.ca}
AuthMechs {mechanism}

MaildirStore near
Inbox {self.folder}/near

Channel lab
Far :far:
Near :near:
Create Near
SyncState *
""")
        self.run(["mbsync", "--config", rc, "--all"])
        return [bytes(item) for item in near]


class Fetchmail(Client):
    TLS = {"none": "sslproto ''", "starttls": "sslproto 'TLS1.2+'", "implicit": "ssl"}

    def fetch_all(self):
        """All of INBOX, left on the server."""
        box = os.path.join(self.folder, "fetched")
        rc = self.file(
            "fetchmailrc",
            f"poll localhost service {self.port} protocol imap auth password\n"
            f"  username '{self.user}' password '{self.password}' {self.TLS[self.mode]}\n"
            f"  sslcertck sslcertfile '{self.ca}' keep fetchall mda \"sh -c 'cat >> {box}'\"\n",
        )
        self.run(["fetchmail", "--nosyslog", "-f", rc, "--pidfile", os.path.join(self.folder, "pid")])
        with open(box, "rb") as file:
            return file.read()


class Mutt(Client):
    def rc(self):
        scheme = "imaps" if self.mode == "implicit" else "imap"
        return self.file("muttrc", f"""
set imap_user="{self.user}"
set imap_pass="{self.password}"
set folder="{scheme}://localhost:{self.port}/"
set spoolfile="+INBOX"
set record="+INBOX"
set copy=yes
set ssl_starttls={"yes" if self.mode == "starttls" else "no"}
set ssl_force_tls={"no" if self.mode in ("none", "auto") else "yes"}
set ssl_ca_certificates_file="{self.ca}"
set sendmail="{shutil.which("true")}"
set from="lab@lab.test"
set header_cache=""
set confirmappend=no
set confirmcreate=no
set quit=yes
set beep=no
set wait_key=no
""")

    def append(self, message_id):
        """Sends a mail and files it: the `Fcc` of every sent mail."""
        self.run(
            ["mutt", "-n", "-F", self.rc(), "-s", message_id, "alice@lab.test"],
            input=b"Filed by mutt\n",
        )

    def fetch_all(self):
        """Opens INBOX on a screen, tags every mail and saves copies, and quits."""
        box = os.path.join(self.folder, "copied")
        keys = f"<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>{box}<enter><exit>"
        self.on_a_terminal(["mutt", "-n", "-F", self.rc(), "-e", "set mbox_type=mbox", "-e", f'push "{keys}"'])
        with open(box, "rb") as file:
            return file.read()

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
