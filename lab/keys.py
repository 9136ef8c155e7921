"""Keys with which applications prove themselves, made by openssl for one run: an application's certificate,
the key of another system whose tokens the provider trusts, and a Google-like service account.
"""

import base64
import json
import os
import time

from process import LabError, run

PASSPHRASE = "Key-Passphrase/of the lab+4"
# Whom a federated token names, and whom it is meant for.
SUBJECT, AUDIENCE = "system:serviceaccount:mail:saslgate", "api://LabTokenExchange"
SERVICE_ACCOUNT = "saslgate@lab.iam.test"
NEW_KEY = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Keys:
    """All in one folder."""

    def __init__(self, folder):
        self.folder = folder
        os.mkdir(folder, 0o700)
        # A certificate with its key apart, with an encrypted key, and both in one file.
        self.certificate, self.key = self._path("application.pem"), self._path("application.key")
        self.encrypted_key, self.both = self._path("application-encrypted.key"), self._path("application-both.pem")
        openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=saslgate lab application",
            "-keyout", self.key, "-out", self.certificate,
        )
        openssl("pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", self.key, "-out", self.encrypted_key,
                "-passout", "stdin", input=PASSPHRASE.encode())
        self._write("application-both.pem", read(self.certificate) + read(self.key))
        self.federation = self._key("federation.key")
        self.service_account = self._key("service-account.key")

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _write(self, name, text):
        path = self._path(name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def _key(self, name):
        path = self._path(name)
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", path)
        return path

    def for_provider(self, client):
        """What the provider must know of a client beside its name."""
        if client["method"] == "private_key_jwt":
            return {"certificate": read(self.certificate)}
        if client["method"] == "federated":
            return {"trusted_key": public(self.federation), "subject": SUBJECT}
        if client["grant"].endswith("jwt-bearer"):
            return {"public_key": public(self.service_account), "service_account": SERVICE_ACCOUNT}
        return {}

    def federated_token(self, name, lifetime=600, key=None):
        """A file with an assertion, as a cluster writes it for its workloads."""
        now = int(time.time())
        claims = {"iss": "https://cluster.lab.test", "sub": SUBJECT, "aud": AUDIENCE, "iat": now, "exp": now + lifetime}
        return self._write(name, signed(claims, key or self.federation) + "\n")

    def service_account_file(self, token_url, key=None):
        """As Google lets one download it."""
        return self._write("service-account.json", json.dumps({
            "type": "service_account", "project_id": "lab", "private_key_id": "0123456789abcdef",
            "private_key": read(key or self.service_account), "client_email": SERVICE_ACCOUNT,
            "client_id": "100000000000000000001", "auth_uri": "https://localhost/auth", "token_uri": token_url,
        }, indent=2))


def signed(claims, key):
    """A JWT, RS256."""
    parts = [encode(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims)]
    signature = openssl("dgst", "-sha256", "-sign", key, input=".".join(parts).encode())
    return ".".join([*parts, encode(signature)])


def encode(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def public(key):
    return openssl("pkey", "-in", key, "-pubout").decode()


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def openssl(*arguments, **options):
    done = run(["openssl", *arguments], **options)
    if done.returncode:
        raise LabError(f"openssl {arguments[0]}: {done.stderr.decode()}")
    return done.stdout


class Authority:
    """A CA beside the lab's own, for certificates that a client must not believe."""

    def __init__(self, folder):
        self.folder = folder
        os.mkdir(folder, 0o700)
        self.certificate, self._key = os.path.join(folder, "ca.pem"), os.path.join(folder, "ca.key")
        openssl(*NEW_KEY, "-x509", "-days", "30", "-subj", "/CN=another test CA",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self._key, "-out", self.certificate)

    def leaf(self, host):
        """(certificate, key) of a server of that name."""
        paths = {kind: os.path.join(self.folder, f"{host}.{kind}") for kind in ("pem", "key", "csr", "extensions")}
        openssl(*NEW_KEY, "-subj", f"/CN={host}", "-keyout", paths["key"], "-out", paths["csr"])
        with open(paths["extensions"], "w", encoding="utf-8") as file:
            file.write(f"basicConstraints = critical, CA:FALSE\nsubjectAltName = DNS:{host}\n")
        openssl("x509", "-req", "-in", paths["csr"], "-CA", self.certificate, "-CAkey", self._key, "-days", "30",
                "-extfile", paths["extensions"], "-out", paths["pem"])
        return paths["pem"], paths["key"]
