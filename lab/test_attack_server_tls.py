"""Who is believed to be the mail server, and what is made of a peer that does not speak TLS at all."""

import ssl

import lab
from attacks import Attacks
from authority import Authority
from gateway import Account, Gateway, Server
from upstream import CUT, HANG
from upstream.hostile import Hostile, drip, endless

NAME = "another name"
BELIEVED = {
    "its name": {},
    "in capitals": {"names": "DNS:MAIL.LAB.TEST"},
    "one of many": {"names": "DNS:a.test,DNS:mail.lab.test,IP:127.0.0.1"},
    "a wildcard": {"names": "DNS:*.lab.test"},
    "a CN for another": {"subject": "/CN=evil.test"},
}
# And what the client is told.
NOT_BELIEVED = {
    "expired": ({"shift": "-40d"}, "expired"),
    "not yet valid": ({"shift": "+10d"}, "not valid yet"),
    "another name": ({"names": "DNS:evil.test"}, NAME),
    "a name that goes on": ({"names": "DNS:mail.lab.test.evil.test"}, NAME),
    "a name within": ({"names": "DNS:lab.test"}, NAME),
    "by CN only": ({"names": ""}, NAME),
    "by a mail address": ({"names": "email:mail@mail.lab.test,URI:https://mail.lab.test"}, NAME),
    "an address as a name": ({"names": "DNS:127.0.0.1"}, NAME),
    "a wildcard for all": ({"names": "DNS:*"}, NAME),
    "a wildcard for two labels": ({"names": "DNS:*.test"}, NAME),
    "a wildcard below": ({"names": "DNS:*.mail.lab.test"}, NAME),
    "a wildcard inside": ({"names": "DNS:mail.*.test"}, NAME),
    "a wildcard in a label": ({"names": "DNS:m*.lab.test"}, NAME),
    "self-signed": ({"issuer": "itself"}, "trusted roots"),
    "of another CA of that name": ({"issuer": "other"}, "another CA of that name"),
    "signed by a server": ({"issuer": "its name"}, "trusted roots"),
    "a client's": ({"usage": "clientAuth"}, "serverAuth"),
    "that of a CA": ({"ca": "TRUE"}, "CA:TRUE"),
    "a short key": ({"key": ("rsa", "rsa_keygen_bits:1024")}, "too weak"),
    "a weak digest": ({"digest": "sha1"}, "SHA-1"),
}
OTHERS = {
    "mail in clear": b"* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2] PHISH\r\n",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\nPHISH",
    "an alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "goodbye": b"\x15\x03\x03\x00\x02\x01\x00",
    "the hello back": b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
    "data at once": b"\x17\x03\x03\x00\x05PHISH",
    "an empty record": endless(b"\x16\x03\x03\x00\x00"),
    "warnings without an end": endless(b"\x15\x03\x03\x00\x02\x01\x5a"),
    "no end": endless(b"\x16\x03\x03\x40\x00" + b"\x02" * 0x4000),
    "drops": drip(b"\x16\x03\x03\x40\x00\x02\x00"),
    "silence": HANG, "nobody": CUT,
}


class ServerTls(Attacks):
    """IMAP at once in TLS, and SMTP behind STARTTLS: the same certificates, the same judgement."""

    @classmethod
    def setUpClass(cls):
        world = lab.world()
        cls.authority = Authority(world.path("attackers"))
        cls.servers = {"imap": Hostile(world, "imap"), "smtp": Hostile(world, "smtp", "starttls")}
        settings = {"tls_name": '"mail.lab.test"', "ca_file": f'"{cls.authority.file}"'}
        cls.account = Account("alice@lab.test", "robot", **{
            protocol: Server(cls.enterClassContext(server).port, server.tls, settings=settings)
            for protocol, server in cls.servers.items()
        })
        cls.gateway = cls.enterClassContext(Gateway(world, "attacks-tls", [cls.account], settings=cls.settings))
        cls.show("its name", {})
        cls.greet()

    @classmethod
    def show(cls, name, case):
        context = cls.authority.leaf(name, **case)
        for server in cls.servers.values():
            server.context = context
        return context

    def tearDown(self):
        self.show("its name", {})

    def test_who_is_believed(self):
        for name, case in BELIEVED.items():
            with self.subTest(name):
                self.show(name, case)
                for protocol in self.servers:
                    self.let_in(protocol, {})

    def test_who_is_not(self):
        self.show("its name", {})
        for name, (case, why) in NOT_BELIEVED.items():
            self.show(name, case)
            for protocol in self.servers:
                with self.subTest(name, protocol=protocol):
                    heard, _, sessions = self.refused(protocol, {}, blamed="no TLS with it")
                    self.assertIn(why, heard)
                    self.assertEqual([bytes(session.inside) for session in sessions if session.secured], [])

    def test_versions(self):
        for newest, believed in ((ssl.TLSVersion.TLSv1_3, True), (ssl.TLSVersion.TLSv1_2, True),
                                 (ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1, False)):
            context = self.show("its name", {})
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
            for protocol in self.servers:
                with self.subTest(newest=newest, protocol=protocol):
                    if believed:
                        self.let_in(protocol, {})
                    else:
                        heard, _, _ = self.refused(protocol, {}, blamed="no TLS with it")
                        self.assertIn("neither TLS 1.3 nor 1.2", heard)

    def test_the_name_goes_with_the_hello_and_no_other_protocol_is_asked_for(self):
        context, names = self.show("its name", {}), []
        context.sni_callback = lambda connection, name, _: names.append(name)
        context.set_alpn_protocols(["h2", "http/1.1", "ftp"])
        self.let_in("imap", {})
        self.let_in("smtp", {})
        self.assertEqual(names, ["mail.lab.test"] * 2)

    def test_no_tls_at_all(self):
        server = self.servers["imap"]
        server.tls = "none"
        self.addCleanup(setattr, server, "tls", "implicit")
        for name, answer in OTHERS.items():
            with self.subTest(name):
                _, _, sessions = self.refused("imap", {"greeting": answer}, blamed="mail server")
                self.assertTrue(all(bytes(session.clear[:2]) in (b"", b"\x16\x03") for session in sessions))
