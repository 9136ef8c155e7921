"""TLS on both sides, judged by programs that are not ours: testssl.sh looks at the local ports, openssl plays servers that
a client should not go on with, and reads the ClientHello that it is sent.
"""

import concurrent.futures
import json
import os
import re
import subprocess
import unittest

import lab
from gateway import Account, Gateway, Server
from keys import NEW_KEY, Authority, openssl
from process import Process, free_port, run
from raw import RawImap
from servers.template import program

FINE = {"OK", "INFO", "DEBUG"}
# A certificate of a machine's own has nobody who would tell of its revocation.
NOT_FOR_US = {"cert_revocation"}

# An input that ends with the program, which would end with its input.
OPEN_INPUT = ["bash", "-c", 'exec "$@" < <(tail --pid=$$ -f /dev/null)', "bash"]


class LocalPorts(unittest.TestCase):
    """Each protocol, with TLS at once and behind STARTTLS."""

    def judge(self, protocol, mode):
        port, name = self.gateway.port(protocol, mode), f"testssl-{protocol}-{mode}"
        out = lab.world().path(f"{name}.json")
        # Everything once; of the other ports what is a matter of the port.
        whole = ["-s", "-f", "-S", "-H", "-I", "-T", "-BB", "-Z"] if (protocol, mode) == ("imap", "implicit") else []
        what = ["-p", *whole]
        starttls = ["-t", protocol] if mode == "starttls" else []
        done = run(
            [program("testssl"), "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1",
             "--fast", "--connect-timeout", "20", "--openssl-timeout", "20", "--add-ca", self.made["authority"],
             *what, *starttls, "--jsonfile", out, f"localhost:{port}"],
            patience=300, stdin=subprocess.DEVNULL,
        )
        with open(out, encoding="utf-8") as file:
            findings = {it["id"]: (it["severity"], it["finding"]) for it in json.load(file)}
        return f"{protocol} {mode}", findings, done.stdout.decode()

    def test_testssl_finds_nothing(self):
        ports = free_port(), free_port(), free_port()
        account = Account("alice@lab.test", "robot", *(Server(port) for port in ports))
        self.gateway = Gateway(lab.world(), "testssl", [account], modes=("implicit", "starttls"))
        # What is judged is what people use here: the certificate that saslgate makes.
        self.gateway.command("cert", "new", "--out", self.gateway.folder)
        self.made = {kind: os.path.join(self.gateway.folder, f"saslgate-{kind}.pem") for kind in ("cert", "key", "authority")}
        self.gateway.rewrite(lab.world().certificate, self.made["cert"])
        self.gateway.rewrite(lab.world().key, self.made["key"])
        with self.gateway, concurrent.futures.ThreadPoolExecutor(2) as two:
            jobs = [
                two.submit(self.judge, protocol, mode)
                for protocol in ("imap", "pop3", "smtp") for mode in ("implicit", "starttls")
            ]
            judged = [job.result() for job in jobs]
        for name, findings, said in judged:
            for version in ("SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3"):
                expected = "offered" if version in ("TLS1_2", "TLS1_3") else "not offered"
                self.assertEqual(findings[version][1].split(" (")[0].split(" with")[0], expected, (name, version, said))
            faults = {
                key: finding for key, finding in findings.items()
                if finding[0] not in FINE and key not in NOT_FOR_US
            }
            self.assertEqual(faults, {}, (name, said))
        self.assertIn("heartbleed", judged[0][1])
        self.assertTrue({"FS", "PFS"} & set(judged[0][1]))


class UpstreamSide(unittest.TestCase):
    """Servers with which a client should not go on: no password is sent, and the log says why."""

    def setUp(self):
        world = lab.world()
        self.authority = Authority(world.path(f"attack-tls-authority-{self.id().split('.')[-1]}"))
        self.folder = self.authority.folder
        self.leaf = self.authority.leaf("localhost")

    def rsa(self):
        """A leaf for localhost with an RSA key, for suites that want one."""
        paths = {kind: os.path.join(self.folder, f"rsa.{kind}") for kind in ("pem", "key")}
        key = os.path.join(self.folder, "ca.key")
        openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
            "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
            "-CA", self.authority.certificate, "-CAkey", key, "-keyout", paths["key"], "-out", paths["pem"],
        )
        return paths["pem"], paths["key"]

    def expired(self):
        paths = {kind: os.path.join(self.folder, f"expired.{kind}") for kind in ("pem", "key")}
        made = run([
            "faketime", "10 days ago", "openssl", *NEW_KEY[:1], "-x509", *NEW_KEY[1:], "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext",
            "basicConstraints=critical,CA:FALSE", "-CA", self.authority.certificate,
            "-CAkey", os.path.join(self.folder, "ca.key"),
            "-keyout", paths["key"], "-out", paths["pem"],
        ])
        self.assertEqual(made.returncode, 0, made.stderr)
        return paths["pem"], paths["key"]

    def server(self, name, options, pair):
        port = free_port()
        certificate, key = pair
        process = Process(
            name,
            [*OPEN_INPUT, "openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", certificate, "-key", key, *options],
            lab.world().path(f"s_server-{name}.out"),
        )
        self.addCleanup(process.kill)
        process.wait_ready(lambda: "ACCEPT" in process.log(), "its port")
        return Server(port, password="Upstream-Password/of the lab+2"), process

    def test_weak_servers_get_nothing(self):
        zero, rsa = ("-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"), self.rsa()
        another = Authority(lab.world().path("attack-tls-another"))
        servers = {
            "tls1.0": (("-tls1", *zero), self.leaf), "tls1.1": (("-tls1_1", *zero), self.leaf),
            "no-forward-secrecy": (("-tls1_2", "-cipher", "AES128-GCM-SHA256"), rsa),
            "dhe": (("-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384"), rsa),
            "cbc": (("-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA"), rsa),
            "anonymous": (("-tls1_2", "-cipher", "AECDH-AES256-SHA:ADH-AES256-GCM-SHA384:@SECLEVEL=0"), self.leaf),
            "null": (("-tls1_2", "-cipher", "NULL-SHA256:@SECLEVEL=0"), rsa),
            "expired": ((), self.expired()), "other-name": ((), self.authority.leaf("other.example")),
            "other-authority": ((), another.leaf("localhost")),
            "good": ((), self.leaf), "good-1.2": (("-tls1_2",), self.leaf),
        }
        running = {name: self.server(name, *how) for name, how in servers.items()}
        accounts = {name: Account(f"{name}@lab.test", None, server) for name, (server, _) in running.items()}
        gateway = Gateway(
            lab.world(), "attack-tls-upstream", list(accounts.values()), settings='[deadlines]\nupstream_answer = "2s"\n'
        )
        gateway.rewrite(f'ca_file = "{lab.world().ca}"', f'ca_file = "{self.authority.certificate}"')
        with gateway:
            for name, account in accounts.items():
                with RawImap(gateway.port("imap")) as client:
                    answer = client.login(account.login, account.password())
                self.assertIn("L1 NO [UNAVAILABLE]", answer, name)
                said = running[name][1].log()
                self.assertEqual("CIPHER is" in said, name.startswith("good"), (name, said))
                self.assertNotIn("Upstream-Password", said)
        reasons = {"expired": "expired", "other-name": "another name", "other-authority": "another CA of that name", "tls1.0": "TLS"}
        for name, why in reasons.items():
            line = next(line for line in gateway_lines(gateway) if f"account={name}@lab.test" in line)
            self.assertIn(why, line)

    def test_the_hello_that_a_server_gets(self):
        """As openssl reads it."""
        server, process = self.server("trace", ("-trace",), self.leaf)
        account = Account("trace@lab.test", None, server)
        gateway = Gateway(lab.world(), "attack-tls-hello", [account], settings='[deadlines]\nupstream_answer = "1s"\n')
        gateway.rewrite(f'ca_file = "{lab.world().ca}"', f'ca_file = "{self.authority.certificate}"')
        with gateway, RawImap(gateway.port("imap")) as client:
            client.login(account.login, account.password())
        hello = process.log().split("ClientHello", 1)[1].split("Sent Record", 1)[0]
        suites = set(re.findall(r"\} (TLS_[A-Z0-9_]+)", hello)) - {"TLS_EMPTY_RENEGOTIATION_INFO_SCSV"}
        self.assertGreaterEqual(len(suites), 5, hello)
        for suite in suites:
            self.assertRegex(suite, r"^TLS_(ECDHE_(ECDSA|RSA)_WITH_)?(AES_(128|256)_GCM_SHA(256|384)|CHACHA20_POLY1305_SHA256)$")
        versions = re.search(r"supported_versions.*?\n((?:\s+TLS 1\.\d \(\d+\)\n)+)", hello)
        self.assertEqual(sorted(re.findall(r"TLS 1\.\d", versions[1])), ["TLS 1.2", "TLS 1.3"], hello)
        self.assertIn("server_name", hello)
        self.assertIn("extended_master_secret", hello)
        self.assertRegex(hello, r"compression_methods \(len=1\)\s+No Compression")
        self.assertNotRegex(hello, r"(?i)sha1\b|md5|dsa_sha1|rsa_pkcs1_sha1")


def gateway_lines(gateway):
    with open(gateway.log_path, encoding="utf-8") as file:
        return [line for line in file if " WARN " in line]
