"""Certificates as attackers have them: good ones for other names, and bad ones for the right name."""

import os
import ssl

from process import LabError, run

# What stands in a server's certificate, where a case does not say otherwise.
USUAL = {
    "subject": "/CN=mail.lab.test", "names": "DNS:mail.lab.test", "days": 30, "shift": "", "usage": "serverAuth",
    "ca": "FALSE", "key": ("ec", "ec_paramgen_curve:P-256"), "digest": "sha256", "issuer": "ca",
}


class Authority:
    """A CA with its key in a folder of its own; `leaf` makes a server's TLS."""

    def __init__(self, folder):
        self.folder = folder
        os.mkdir(folder)
        self._root("ca")
        self.file = self._path("ca.pem")

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _openssl(self, *arguments, shift=""):
        command = ["openssl", *arguments]
        done = run(["faketime", "-f", shift, *command] if shift else command)
        if done.returncode:
            raise LabError(f"openssl {' '.join(arguments)}: {done.stderr.decode()}")

    def _root(self, name):
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=an authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", self._path(f"{name}.key"), "-out", self._path(f"{name}.pem"),
        )

    def leaf(self, name, **case):
        """A context that shows a certificate of that make; its issuer "itself" is none, an unknown one another CA."""
        case = USUAL | case
        issuer, files = case["issuer"], [self._path(f"{name}.{end}") for end in ("key", "csr", "pem", "cnf")]
        key, request, certificate, extensions = files
        kind, option = case["key"]
        self._openssl(
            "req", "-newkey", kind, "-pkeyopt", option, "-nodes", "-subj", case["subject"], "-keyout", key,
            "-out", request,
        )
        with open(extensions, "w", encoding="ascii") as file:
            names = f"subjectAltName = {case['names']}\n" if case["names"] else ""
            file.write(f"basicConstraints = CA:{case['ca']}\nextendedKeyUsage = {case['usage']}\n{names}")
        if issuer not in ("ca", "itself") and not os.path.exists(self._path(f"{issuer}.pem")):
            self._root(issuer)
        signed = ["-signkey", key] if issuer == "itself" else [
            "-CA", self._path(f"{issuer}.pem"), "-CAkey", self._path(f"{issuer}.key"), "-set_serial", "7"
        ]
        self._openssl(
            "x509", "-req", "-in", request, *signed, f"-{case['digest']}", "-days", str(case["days"]),
            "-extfile", extensions, "-out", certificate, shift=case["shift"],
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.load_cert_chain(certificate, key)
        return context
