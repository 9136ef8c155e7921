"""One scripted tenant: the directory that gives out tokens, Exchange that believes them, and accounts of the
program under test that point at both, with Microsoft's preset and everything else of the lab's.

The hard thing is that each account has an application of its own, so that a test can turn one thing wrong and
leave the rest as it is.
"""

import contextlib
import secrets
from concurrent.futures import ThreadPoolExecutor

from gateway import Account, Gateway, Server
from keys import Authority, read
from upstream.directory import APP_ONLY, DELEGATED, OUTLOOK, Directory
from upstream.exchange import Exchange
from upstream.proxy import Proxy
from upstream.token import ScriptedEndpoint

TENANT = "lab.test"
LOGIN_HOST = "login.microsoftonline.com"
SECRET = "Application-Secret/of the lab+5"
PROTOCOLS = ("imap", "pop3", "smtp")


class Tenant:
    """`with Tenant(world) as tenant:`"""

    def __init__(self, world):
        self.world, folder = world, world.path(f"authority-{secrets.token_hex(3)}")
        self.authority = Authority(folder)
        self.endpoint = ScriptedEndpoint(world, self.authority.leaf(LOGIN_HOST))
        self.exchange, self.directory = Exchange(world), Directory(TENANT)
        self.endpoint.answers[TENANT] = self.directory
        # Microsoft's sign-in host, as the accounts see it.
        self.proxy = Proxy(self.endpoint.port)
        self.ca = f"{folder}/both.pem"
        with open(self.ca, "w", encoding="utf-8") as file:
            file.write(read(world.ca) + read(self.authority.certificate))
        self._exits = contextlib.ExitStack()

    def __enter__(self):
        for server in (self.endpoint, self.proxy, self.exchange):
            self._exits.enter_context(server)
        return self

    def enter(self, server):
        """One more server, until the tenant is left."""
        return self._exits.enter_context(server)

    def __exit__(self, *exception):
        return self._exits.__exit__(*exception)

    def account(self, login, app_only=False, secret=None, protocols=PROTOCOLS, mailbox="", tenant=TENANT, **settings):
        """An account with an application of its own (`account.application`) and a mailbox that fits. Its settings
        may be changed until the gateway is made; the sign-in is `account.refresh_token`."""
        if app_only:
            application = self.directory.application(secret=SECRET, scopes=set(), roles=set(APP_ONLY.values()))
            self.exchange.principals[application.id] = application.object_id
            access, grant, scopes = {application.object_id}, "client_credentials", [f"{OUTLOOK}/.default"]
        else:
            application = self.directory.application(secret=secret)
            access, grant = set(), "refresh_token"
            scopes = [f"{OUTLOOK}/{DELEGATED[protocol]}" for protocol in protocols] + ["offline_access"]
        self.exchange.mailbox(mailbox or login).full_access |= access
        account = Account(login, application.id, grant=grant, signed_in=False, mailbox=mailbox)
        for protocol in protocols:
            tls = "starttls" if protocol == "smtp" else "implicit"
            setattr(account, protocol, Server(getattr(self.exchange, protocol).port, tls=tls))
        account.application, account.protocols = application, protocols
        account.refresh_token = None if app_only else self.directory.sign_in(application, login)
        account.settings = {
            "provider": '"microsoft365"', "tenant": f'"{tenant}"', "proxy": f'"{self.proxy.url}"',
            "scopes": str(scopes).replace("'", '"'), "ca_file": f'"{self.ca}"', **settings,
        }
        if application.secret:
            account.settings.setdefault("client_secret", '{ file = "application-secret" }')
        return account

    def gateway(self, name, accounts, **options):
        """With every local password and sign-in in its store; not yet started."""
        gateway = Gateway(self.world, f"{name}-{len(Gateway.all)}", accounts, **options)
        gateway.write("application-secret", SECRET)

        def prepare(account):
            gateway.command("account", "password", account.login, stdin=account.password())
            if account.refresh_token:
                gateway.command("account", "import-token", account.login, stdin=account.refresh_token)

        # The first one makes the store.
        prepare(accounts[0])
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(prepare, accounts[1:]))
        return gateway

    def forms(self, account):
        """All token requests of that account's application."""
        with self.endpoint._lock:
            return [form for _, form in self.endpoint.asked if form.get("client_id") == account.application.id]


def stranger():
    """A login that no other test has."""
    return f"anna-{secrets.token_hex(3)}@{TENANT}"
