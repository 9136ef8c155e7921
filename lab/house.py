"""The gateway in a network of its own: servers and names behind one wire, clients behind another.

The hard thing is who opens what where: a socket belongs to the namespace in which its thread was at that
moment, so servers and clients are made here and nowhere else.
"""

from dns import NameServer
from gateway import Account, Gateway, Server
from netns import DOMAIN, Namespace, Wire, certificates
from raw import RawImap
from upstream.imap import RecordingImap
from upstream.token import Grant, ScriptedEndpoint

GATEWAY, MAIL, OTHER, MAIL6 = "10.77.0.1", "10.77.0.2", "10.77.0.3", "fd77::2"
# Nobody is there, and nobody says so.
NOBODY, NOBODY6 = "10.77.0.99", "fd77::99"
LOCAL, CLIENTS = "10.78.0.1", "10.78.0.2"
TOKEN_HOST = f"token.{DOMAIN}"


class House:
    """All of it, for one test case, which it is left with. `house.mail` and `house.local` are the wires."""

    def __init__(self, case, world, resolver=""):
        """`resolver` are options of resolv.conf."""
        self.case, self.world = case, world
        enter = case.enterContext
        self.certificates = certificates(world.path(f"house-{len(Gateway.all)}-certificates"))
        hosts = "127.0.0.1 localhost\n::1 localhost\n"
        self.gateway_home = enter(Namespace("gateway", {"resolv.conf": f"nameserver {MAIL}\n{resolver}\n", "hosts": hosts}))
        self.servers_home, self.clients_home = enter(Namespace("servers")), enter(Namespace("clients"))
        self.mail = enter(Wire(
            self.gateway_home, self.servers_home, [f"{GATEWAY}/24", "fd77::1/64"],
            [f"{MAIL}/24", f"{OTHER}/24", f"{MAIL6}/64"],
        ))
        self.local = enter(Wire(self.gateway_home, self.clients_home, [f"{LOCAL}/24"], [f"{CLIENTS}/24"]))
        with self.servers_home.inside():
            self.names = enter(NameServer(MAIL))
            self.endpoint = enter(ScriptedEndpoint(
                None, (self.certificates.certificate, self.certificates.key), address=MAIL,
            ))
        self.names.set(TOKEN_HOST, MAIL)
        self.upstream = self.server(RecordingImap)

    def server(self, kind, **options):
        """A recording server behind the wire, on all its addresses."""
        with self.servers_home.inside():
            return self.case.enterContext(type("Away", (kind,), {"address": "::"})(self.certificates, **options))

    def account(self, name, host=None, token_host=TOKEN_HOST, port=None, **settings):
        """One whose server is found by a name of its own; set what that name gives in `names`."""
        host = host or f"{name}.{DOMAIN}"
        self.endpoint.answers.setdefault(name, Grant())
        settings["token_url"] = f'"https://{token_host}:{self.endpoint.port}/{name}/token"'
        server = Server(port or self.upstream.port, host=host)
        return Account(f"{name}@{DOMAIN}", "robot", imap=server, settings=settings)

    def open(self, accounts, settings=""):
        """The gateway, for clients behind the local wire."""
        name = f"house-{len(Gateway.all)}"
        self.gateway = self.case.enterContext(Housed(self, name, accounts, settings))
        return self.gateway

    def client(self, kind=RawImap, protocol="imap", home=None):
        """A client behind the local wire, or elsewhere."""
        with (home or self.clients_home).inside():
            return self.case.enterContext(kind(self.gateway.port(protocol), LOCAL))

    def log_in(self, account, home=None):
        """A login on a connection of its own, which is left: the answer."""
        with (home or self.clients_home).inside():
            client = RawImap(self.gateway.port("imap"), LOCAL)
        with client:
            return client.login(account.login, account.password())

    def logged_in(self, account):
        """A client that stays."""
        client = self.client()
        self.case.assertIn("L1 OK", client.login(account.login, account.password()))
        return client


class Housed(Gateway):
    def __init__(self, house, name, accounts, settings):
        super().__init__(
            house.world, name, accounts, settings=settings, address=LOCAL, ca=house.certificates.ca
        )
        self.house = house

    def start(self, **options):
        super().start(through=self.house.gateway_home.through, **options)
