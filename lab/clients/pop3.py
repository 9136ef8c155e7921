"""The programs that read mail by POP3.

They have one verb, `fetch_all()`: every mail in the mailbox, left on the server; one after the other in
the form that the program stores. `login` picks one of the program's LOGINS.
"""

import os
import poplib
import shutil
import ssl

from clients import Client


class Curl(Client):
    # USER and PASS are what curl takes where no SASL is offered; others' tests cover them.
    LOGINS = {
        f"{mechanism}{' with initial response' * initial}": ["--login-options", f"AUTH={mechanism}", *["--sasl-ir"] * initial]
        for mechanism in ("PLAIN", "LOGIN") for initial in (False, True)
    }

    def curl(self, path, login):
        scheme = "pop3s" if self.mode == "implicit" else "pop3"
        tls = ["--ssl-reqd"] if self.mode == "starttls" else []
        secret = self.file("curlrc", f'user = "{self.user}:{self.password}"\n')
        return self.run([
            "curl", "-sS", "--max-time", "60", "--cacert", self.ca, "-K", secret, *tls, *self.LOGINS[login],
            f"{scheme}://localhost:{self.port}/{path}",
        ])

    def fetch_all(self, login="PLAIN"):
        count = len(self.curl("", login).splitlines())
        return self.curl(f"[1-{count}]", login)


class Poplib(Client):
    LOGINS = {"USER": None}

    def session(self):
        context = ssl.create_default_context(cafile=self.ca)
        if self.mode == "implicit":
            pop = poplib.POP3_SSL("localhost", self.port, context=context, timeout=60)
        else:
            pop = poplib.POP3("localhost", self.port, timeout=60)
        if self.mode == "starttls":
            pop.stls(context=context)
        pop.user(self.user)
        pop.pass_(self.password)
        return pop

    def fetch_all(self, login="USER"):
        pop = self.session()
        count, _ = pop.stat()
        mails = [b"".join(line + b"\r\n" for line in pop.retr(number + 1)[1]) for number in range(count)]
        pop.quit()
        return b"".join(mails)


class Fetchmail(Client):
    LOGINS = {"USER": None}
    TLS = {"none": "sslproto ''", "starttls": "sslproto 'TLS1.2+'", "implicit": "ssl"}

    def poll(self, delivery, login=""):
        """`delivery` is where mail goes, `login` is for the server there: words of fetchmail's own."""
        rc = self.file(
            "fetchmailrc",
            f"poll localhost service {self.port} protocol pop3 auth password {login}\n"
            f"  username '{self.user}' password '{self.password}' {self.TLS[self.mode]}\n"
            f"  sslcertck sslcertfile '{self.ca}' keep fetchall {delivery}\n",
        )
        self.run(["fetchmail", "--nosyslog", "-f", rc, "--pidfile", os.path.join(self.folder, "pid")])

    def fetch_all(self, login="USER"):
        box = self.file("fetched")
        self.poll(f"mda \"sh -c 'cat >> {box}'\"")
        with open(box, "rb") as file:
            return file.read()

    def forward(self, port, user, password, recipient):
        """Hands every mail on by SMTP, as fetchmail does of its own accord."""
        self.poll(
            f"smtphost 'localhost/{port}' smtpname '{recipient}'", f"esmtpname '{user}' esmtppassword '{password}'"
        )


class Mutt(Client):
    LOGINS = {"USER": "user", "PLAIN": "plain", "LOGIN": "login"}

    def fetch_all(self, login="USER"):
        """Opens the mailbox on a screen, tags every mail and saves copies, and quits."""
        scheme, user = "pops" if self.mode == "implicit" else "pop", self.user.replace("@", "%40")
        rc = self.file("muttrc", f"""
set pop_pass="{self.password}"
set pop_authenticators="{self.LOGINS[login]}"
set spoolfile="{scheme}://{user}@localhost:{self.port}/"
set folder="{self.folder}"
set pop_delete=no
set ssl_starttls={"yes" if self.mode == "starttls" else "no"}
set ssl_force_tls={"no" if self.mode == "none" else "yes"}
set ssl_ca_certificates_file="{self.ca}"
set sendmail="{shutil.which("true")}"
set mbox_type=mbox
set header_cache=""
set confirmappend=no
set confirmcreate=no
set quit=yes
set move=no
set sleep_time=0
set beep=no
set wait_key=no
""")
        box = os.path.join(self.folder, "copied")
        keys = f"<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>{box}<enter><exit>"
        self.on_a_terminal(["mutt", "-n", "-F", rc, "-e", f'push "{keys}"'])
        with open(box, "rb") as file:
            return file.read()


class Snail(Client):
    LOGINS = {"USER": None}

    def fetch_all(self, login="USER"):
        scheme, box = "pop3s" if self.mode == "implicit" else "pop3", os.path.join(self.folder, "copied")
        # APOP is on, as it is by default: it must see that there is none.
        rc = self.file("mailrc", f"""
set v15-compat
set user={self.user}
set password='{self.password}'
{"set pop3-use-starttls" if self.mode == "starttls" else ""}
set tls-ca-file={self.ca} tls-ca-no-defaults tls-verify=strict
set folder={self.folder} errexit nosave
""")
        self.run(
            ["s-nail", "-:/", "-X", f"source {rc}", "-f", f"{scheme}://localhost:{self.port}"],
            input=f"copy * {box}\nxit\n".encode(),
        )
        with open(box, "rb") as file:
            return file.read()


class Getmail(Client):
    LOGINS = {"USER": None}

    def fetch_all(self, login="USER"):
        """It knows no STLS."""
        assert self.mode != "starttls"
        box = self.file("fetched")
        kind = "SimplePOP3SSLRetriever" if self.mode == "implicit" else "SimplePOP3Retriever"
        rc = self.file("getmailrc", f"""
[retriever]
type = {kind}
server = localhost
port = {self.port}
username = {self.user}
password = {self.password}
{f"ca_certs = {self.ca}" if self.mode == "implicit" else ""}
[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat >> {box}")
allow_root_commands = true
[options]
read_all = true
delete = false
delivered_to = false
received = false
""")
        self.run(["getmail", "--getmaildir", self.folder, "--rcfile", rc])
        with open(box, "rb") as file:
            return file.read()
