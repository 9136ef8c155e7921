"""The world around the gateway: certificates, an OpenID provider, and mail servers that believe it.

Everything lives in one temporary folder and on free loopback ports, and is gone afterwards.
"""

import base64
import contextlib
import imaplib
import json
import os
import shutil
import ssl
import tempfile
import urllib.parse
import urllib.request

from browser import PERSON_PASSWORD
from keys import Keys
from process import LabError, Process, free_port, run, tail
from servers.dovecot import Dovecot, mail_owner
from servers.postfix import Postfix
from upstream.smtp import RecordingSmtp

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)

CLIENT_SECRET = "Client-Secret/of the lab+1"
# What the servers that take passwords take; a blank in it, for POP3's sake.
UPSTREAM_PASSWORD = "Upstream-Password/of the lab+2"


# Any port of each is as good (RFC 8252 section 7.3).
LOOPBACK = ["http://127.0.0.1", "http://localhost", "http://[::1]"]


def provider_client(
    name, grant, mailbox, jwt=False, lifetime=3600, rotation="strict", method="client_secret_post",
    redirect_uris=None,
):
    """One application at the provider, as provider.mjs wants it told; with `redirect_uris` it is a web one."""
    return {
        "id": name, "secret": CLIENT_SECRET, "grant": grant, "mailbox": mailbox,
        "jwt": jwt, "lifetime": lifetime, "rotation": rotation, "method": method,
        "redirect_uris": redirect_uris or LOOPBACK, "web": bool(redirect_uris),
    }


class World:
    """Made once for a run; `with World(clients) as world:`."""

    def __init__(self, clients):
        self.clients = {client["id"]: client for client in clients}
        self.folder = tempfile.mkdtemp(prefix="saslgate-lab-")
        # Dovecot's processes that are not root walk through it.
        os.chmod(self.folder, 0o711)
        self._exits = contextlib.ExitStack()

    def __enter__(self):
        try:
            self._make_certificates()
            self._start_provider()
            self._start_mail_servers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self._exits.close()
        finally:
            if os.environ.get("LAB_KEEP"):
                print(f"kept: {self.folder}")
            else:
                shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    # --- certificates ---

    def _make_certificates(self):
        # So long that no check calls it short.
        made = run([os.path.join(ROOT, "certs", "make"), self.path("certs"), "30"])
        if made.returncode:
            raise LabError(f"certs/make: {made.stderr.decode()}")
        self.ca = self.path("certs", "ca.pem")
        self.certificate = self.path("certs", "localhost.pem")
        self.key = self.path("certs", "localhost.key")
        self.keys = Keys(self.path("application-keys"))

    def tls(self):
        """What a client of the lab believes."""
        return ssl.create_default_context(cafile=self.ca)

    # --- the provider ---

    def _start_provider(self):
        self.https_port, self.http_port = free_port(), free_port()
        self.issuer = f"https://localhost:{self.https_port}"
        self.token_url = f"{self.issuer}/token"
        config = {
            "https_port": self.https_port, "http_port": self.http_port,
            "certificate": self.certificate, "key": self.key, "key_folder": self.path("keys"),
            "password": PERSON_PASSWORD,
            "clients": [client | self.keys.for_provider(client) for client in self.clients.values()],
        }
        with open(self.path("provider.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        process = Process(
            "provider", ["node", os.path.join(HERE, "provider", "provider.mjs"), self.path("provider.json")],
            self.path("provider.log"),
        )
        self._exits.callback(process.stop)
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

    # --- the mail servers ---

    def _start_mail_servers(self):
        self.mail = self.path("mail")
        os.mkdir(self.mail)
        if os.getuid() == 0:
            shutil.chown(self.mail, *mail_owner())
        self.sink = RecordingSmtp(self, tls="none", mechanisms=())
        self._exits.enter_context(self.sink)
        mailboxes = {client["mailbox"] for client in self.clients.values()}
        self.dovecot = self._run(Dovecot(self, "dovecot"))
        passwords = {mailbox: UPSTREAM_PASSWORD for mailbox in mailboxes}
        self.password_dovecot = self._run(Dovecot(self, "dovecot-passwords", passwords))
        # Its daemons change their user themselves, so it needs root.
        self.postfix = self._run(Postfix(self, mailboxes)) if os.getuid() == 0 else None

    def _run(self, server):
        self._exits.callback(server.process.stop)
        server.wait_ready()
        return server

    def mailbox(self, client):
        """A session with Dovecot itself, past the gateway: to put mail there and to judge what came."""
        imap = imaplib.IMAP4_SSL("localhost", self.dovecot.imaps, ssl_context=self.tls(), timeout=60)
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


def oauthbearer(user, token):
    return f"n,a={user},\1host=localhost\1port=1\1auth=Bearer {token}\1\1".encode()


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
