"""The programs that send mail.

They have one verb, `send(message_id, recipient)`: a mail that has this Message-ID, and from those that take
one as a file exactly `message(message_id)`. `login` picks one of the program's LOGINS.
"""

import os
import smtplib
import ssl

from clients import Client, message

SENDER = "alice@lab.test"
NOBODY = "somebody@sink.test"


class Curl(Client):
    LOGINS = {
        f"{mechanism}{' with initial response' * initial}": ["--login-options", f"AUTH={mechanism}", *["--sasl-ir"] * initial]
        for mechanism in ("PLAIN", "LOGIN") for initial in (False, True)
    }

    def send(self, message_id, recipient=NOBODY, login="PLAIN"):
        scheme = "smtps" if self.mode == "implicit" else "smtp"
        tls = ["--ssl-reqd"] if self.mode == "starttls" else []
        secret = self.file("curlrc", f'user = "{self.user}:{self.password}"\n')
        self.run([
            "curl", "-sS", "--max-time", "60", "--cacert", self.ca, "-K", secret, *tls, *self.LOGINS[login],
            "--mail-from", SENDER, "--mail-rcpt", recipient, "-T", self.octets("mail.eml", message(message_id)),
            f"{scheme}://localhost:{self.port}/lab.test",
        ])


class Smtplib(Client):
    LOGINS = {
        f"{mechanism}{' with initial response' * initial}": (mechanism, initial)
        for mechanism in ("PLAIN", "LOGIN") for initial in (False, True)
    }

    def session(self, login="PLAIN", hello="ehlo"):
        context = ssl.create_default_context(cafile=self.ca)
        if self.mode == "implicit":
            smtp = smtplib.SMTP_SSL("localhost", self.port, context=context, timeout=60)
        else:
            smtp = smtplib.SMTP("localhost", self.port, timeout=60)
        if self.mode == "starttls":
            smtp.starttls(context=context)
        getattr(smtp, hello)("lab.test")
        mechanism, initial = self.LOGINS[login]
        smtp.user, smtp.password = self.user, self.password
        smtp.auth(mechanism, getattr(smtp, f"auth_{mechanism.lower()}"), initial_response_ok=initial)
        return smtp

    def send(self, message_id, recipient=NOBODY, **login):
        with self.session(**login) as smtp:
            smtp.sendmail(SENDER, [recipient], message(message_id))


class Swaks(Client):
    # Each with commands one by one and pipelined.
    LOGINS = {
        f"{mechanism}{' pipelined' * pipelined}": ["--auth", mechanism, *["--pipeline"] * pipelined]
        for mechanism in ("PLAIN", "LOGIN") for pipelined in (False, True)
    }
    TLS = {"none": [], "starttls": ["-tls"], "implicit": ["-tlsc"]}

    def send(self, message_id, recipient=NOBODY, login="PLAIN"):
        tls = self.TLS[self.mode] and [*self.TLS[self.mode], "--tls-verify", "--tls-ca-path", self.ca]
        config = self.file("swaksrc", f"auth-user {self.user}\nauth-password {self.password}\n")
        mail = self.octets("mail.eml", message(message_id).replace(b"\r\n", b"\n"))
        return self.run([
            "swaks", "--config", config, "--server", "localhost", "--port", str(self.port), *tls, *self.LOGINS[login],
            "--helo", "lab.test", "--from", SENDER, "--to", recipient, "--data", f"@{mail}", "--timeout", "60",
            "--auth-hide-password",
        ])


class Msmtp(Client):
    LOGINS = {"PLAIN": "plain", "LOGIN": "login"}

    def send(self, message_id, recipient=NOBODY, login="PLAIN"):
        rc = self.file("msmtprc", f"""
account default
host localhost
port {self.port}
tls {"off" if self.mode == "none" else "on"}
tls_starttls {"on" if self.mode == "starttls" else "off"}
tls_trust_file {self.ca}
auth {self.LOGINS[login]}
user {self.user}
password {self.password}
from {SENDER}
domain lab.test
timeout 60
""")
        # The program asks for a user's permission to send a password in clear; naming the mechanism gives it.
        self.run(["msmtp", "-C", rc, recipient], input=message(message_id).replace(b"\r\n", b"\n"))


class Mutt(Client):
    LOGINS = {"PLAIN": "plain", "LOGIN": "login"}

    def send(self, message_id, recipient=NOBODY, login="PLAIN"):
        scheme, user = "smtps" if self.mode == "implicit" else "smtp", self.user.replace("@", "%40")
        rc = self.file("muttrc", f"""
set smtp_url="{scheme}://{user}@localhost:{self.port}/"
set smtp_pass="{self.password}"
set smtp_authenticators="{self.LOGINS[login]}"
set ssl_starttls={"yes" if self.mode == "starttls" else "no"}
set ssl_force_tls={"no" if self.mode == "none" else "yes"}
set ssl_ca_certificates_file="{self.ca}"
set from="{SENDER}"
set copy=no
my_hdr Message-ID: <{message_id}@lab.test>
""")
        self.run(["mutt", "-n", "-F", rc, "-s", message_id, recipient], input=b"Sent by mutt\n")


class Snail(Client):
    LOGINS = {"PLAIN": "plain", "LOGIN": "login"}

    def send(self, message_id, recipient=NOBODY, login="PLAIN"):
        scheme = "smtps" if self.mode == "implicit" else "smtp"
        rc = self.file("mailrc", f"""
set v15-compat
set mta={scheme}://localhost:{self.port}
set smtp-auth={self.LOGINS[login]}
set user={self.user}
set password='{self.password}'
{"set smtp-use-starttls" if self.mode == "starttls" else ""}
set tls-ca-file={self.ca} tls-ca-no-defaults tls-verify=strict
set from={SENDER} hostname=lab.test
set sendwait errexit nosave
""")
        head = f"To: {recipient}\nSubject: {message_id}\nMessage-ID: <{message_id}@lab.test>\n\nSent by s-nail\n"
        self.run(["s-nail", "-:/", "-X", f"source {rc}", "-t"], input=head.encode())
