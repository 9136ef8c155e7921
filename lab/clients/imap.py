"""The programs that read and file mail by IMAP.

They have the same verbs: `list()`, `append(message)`, `fetch(message_id)`, and, where the program can do no
less than all of it at once, `sync` and `fetch_all`. What a program cannot do is not there.
"""

import imaplib
import mailbox
import os
import re
import shutil
import ssl

from clients import Client
from process import LabError


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
        self.curl("INBOX", "-T", self.octets("append.eml", octets), **login)

    def fetch(self, message_id, **login):
        found = self.curl(f"INBOX?HEADER%20Message-ID%20{message_id}", **login).decode()
        numbers = re.fullmatch(r"\* SEARCH((?: \d+)+)\s*", found)
        if not numbers:
            raise LabError(f"curl does not find {message_id}: {found!r}")
        return self.curl(f"INBOX;MAILINDEX={numbers[1].split()[-1]}", **login)


class Imaplib(Client):
    def session(self, login="LOGIN command"):
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
set sleep_time=0
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
