"""The world around the gateway: certificates, an OpenID provider and a mail server that believes it.

Everything lives in one temporary folder and on free loopback ports, and is gone afterwards.
"""

import base64
import getpass
import grp
import imaplib
import json
import os
import pwd
import shutil
import ssl
import string
import tempfile
import urllib.parse
import urllib.request

from process import LabError, Process, free_port, port_answers, run, tail

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)

CLIENT_SECRET = "Client-Secret/of the lab+1"


def provider_client(name, grant, mailbox, jwt=False, lifetime=3600, rotation="strict"):
    """One application at the provider, as provider.mjs wants it told."""
    return {
        "id": name, "secret": CLIENT_SECRET, "grant": grant, "mailbox": mailbox,
        "jwt": jwt, "lifetime": lifetime, "rotation": rotation,
    }


class World:
    """Made once for a run; `with World(clients) as world:`."""

    def __init__(self, clients):
        self.clients = {client["id"]: client for client in clients}
        self.folder = tempfile.mkdtemp(prefix="saslgate-lab-")
        # Dovecot's processes that are not root walk through it.
        os.chmod(self.folder, 0o711)
        self._processes = []

    def __enter__(self):
        try:
            self._make_certificates()
            self._start_provider()
            self._start_dovecot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            for process in reversed(self._processes):
                process.stop()
        finally:
            if os.environ.get("LAB_KEEP"):
                print(f"kept: {self.folder}")
            else:
                shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    # --- certificates ---

    def _make_certificates(self):
        made = run([os.path.join(ROOT, "certs", "make"), self.path("certs"), "2"])
        if made.returncode:
            raise LabError(f"certs/make: {made.stderr.decode()}")
        self.ca = self.path("certs", "ca.pem")
        self.certificate = self.path("certs", "localhost.pem")
        self.key = self.path("certs", "localhost.key")

    def tls(self):
        """What a client of the lab believes."""
        return ssl.create_default_context(cafile=self.ca)

    # --- the provider ---

    def _start_provider(self):
        self.https_port, self.http_port = free_port(), free_port()
        self.token_url = f"https://localhost:{self.https_port}/token"
        config = {
            "https_port": self.https_port, "http_port": self.http_port,
            "certificate": self.certificate, "key": self.key, "key_folder": self.path("keys"),
            "clients": list(self.clients.values()),
        }
        with open(self.path("provider.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        process = Process(
            "provider", ["node", os.path.join(HERE, "provider", "provider.mjs"), self.path("provider.json")],
            self.path("provider.log"),
        )
        self._processes.append(process)
        process.wait_ready(lambda: "listening" in process.log(), "its ports")

    def provider(self, door, **query):
        """Asks the provider's door for tests; see provider.mjs."""
        url = f"http://127.0.0.1:{self.http_port}/_lab/{door}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)

    def requests(self, client):
        """How many token requests a client has made: asked, granted, refused."""
        return self.provider("requests").get(client, {"asked": 0, "granted": 0, "refused": 0})

    def token(self, client):
        """An access token, fetched without the gateway."""
        application = self.clients[client]
        form = {"client_id": client, "client_secret": application["secret"], "scope": "mail"}
        if application["grant"] == "refresh_token":
            consent = self.provider("consent", client=client, mailbox=application["mailbox"])
            form |= {"grant_type": "refresh_token", "refresh_token": consent}
        else:
            form |= {"grant_type": "client_credentials"}
        request = urllib.request.Request(self.token_url, urllib.parse.urlencode(form).encode())
        with urllib.request.urlopen(request, timeout=30, context=self.tls()) as answer:
            return json.load(answer)["access_token"]

    # --- Dovecot ---

    def _start_dovecot(self):
        self.imap_port, self.imaps_port = free_port(), free_port()
        root = os.getuid() == 0
        me, my_group = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
        mail_user = "nobody" if root else me
        mail_group = grp.getgrgid(pwd.getpwnam(mail_user).pw_gid).gr_name if root else my_group
        names = vars(self) | {
            "mail_user": mail_user, "mail_group": mail_group,
            "internal_user": "dovecot" if root else me,
            "internal_group": "dovecot" if root else my_group,
            "login_user": "dovenull" if root else me,
            "login_chroot": "login" if root else "",
        }
        for name in ("dovecot.conf", "dovecot-jwt.conf", "dovecot-opaque.conf"):
            with open(os.path.join(HERE, name), encoding="utf-8") as file:
                text = string.Template(file.read()).substitute(names)
            with open(self.path(name), "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(self.path(name), 0o644)
        os.mkdir(self.path("mail"))
        if root:
            shutil.chown(self.path("mail"), mail_user, mail_group)
        program = shutil.which("dovecot", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if not program:
            raise LabError("dovecot is missing")
        process = Process("dovecot", [program, "-F", "-c", self.path("dovecot.conf")], self.path("dovecot.out"))
        self._processes.append(process)
        process.wait_ready(lambda: port_answers(self.imaps_port), "its port")

    def mailbox(self, client):
        """A session with Dovecot itself, past the gateway: to put mail there and to judge what came."""
        imap = imaplib.IMAP4_SSL("localhost", self.imaps_port, ssl_context=self.tls(), timeout=60)
        user, token = self.clients[client]["mailbox"], self.token(client)
        imap.authenticate("XOAUTH2", lambda _: xoauth2(user, token))
        return imap

    def logs(self, since):
        """The ends of all logs that were written to since then, for a person who must find out why."""
        parts = []
        for name in sorted(os.listdir(self.folder)):
            if name.endswith((".log", ".out")) and os.path.getmtime(self.path(name)) >= since:
                parts.append(f"\n--- {name}\n{tail(self.path(name), 30)}")
        return "".join(parts)


def xoauth2(user, token):
    return f"user={user}\1auth=Bearer {token}\1\1".encode()


def encodings(secret):
    """A secret as a log could show it: plain, and in base64 at each of the three alignments."""
    forms = {secret}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret.encode()).decode()
        # The first and last characters also hold bits of their neighbours.
        inner = encoded.rstrip("=")[shift + 1 if shift else 0 : -1]
        if len(inner) >= 8:
            forms.add(inner)
    return forms
