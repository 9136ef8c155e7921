"""The program under test: one configuration, one state folder, started and stopped at will.

The hard thing is that its log must be searchable for secrets afterwards: every gateway runs at TRACE,
and `Gateway.all` remembers each with the passwords that it was told.
"""

import glob
import os
import secrets
import signal
from dataclasses import dataclass, field

from process import LabError, Process, free_port, run, wait_until
from world import CLIENT_SECRET, ROOT


PROTOCOLS = ("imap", "pop3", "smtp")


def binary():
    """The built program: $SASLGATE_BIN, else the newest of the two that cargo makes."""
    if "SASLGATE_BIN" in os.environ:
        return os.environ["SASLGATE_BIN"]
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    built = [os.path.join(target, profile, "saslgate") for profile in ("debug", "release")]
    built = [path for path in built if os.path.exists(path)]
    if not built:
        raise LabError("the gateway is not built: run `cargo build`, or set SASLGATE_BIN")
    return max(built, key=os.path.getmtime)


def libfaketime():
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not found:
        raise LabError("libfaketime is missing (Debian package faketime)")
    return found[0]


@dataclass
class Server:
    """One protocol's table of an account: where the mail server is, and whether it takes a token or a password."""

    port: int
    tls: str = "implicit"
    password: str = ""
    user: str = ""
    settings: dict = field(default_factory=dict)
    host: str = "localhost"

    def toml(self):
        lines = [f'host = "{self.host}"\nport = {self.port}\ntls = "{self.tls}"']
        if self.password:
            lines.append('auth = "password"')
        if self.user:
            lines.append(f'user = "{self.user}"')
        lines.extend(f"{key} = {value}" for key, value in self.settings.items())
        return "\n".join(lines)


@dataclass
class Account:
    """One `[[account]]`: who logs in, which of the provider's clients fetches tokens, where mail is. A server
    that is a mere port speaks TLS at once and takes tokens."""

    login: str
    # Without one there is no sign-in, and each server takes a password.
    client: str | None
    imap: Server | int | None = None
    pop3: Server | int | None = None
    smtp: Server | int | None = None
    mailbox: str = ""
    grant: str = "client_credentials"
    # With grant = "refresh_token": whether somebody has signed in before the gateway starts.
    signed_in: bool = True
    settings: dict = field(default_factory=dict)
    passwords: dict = field(default_factory=dict)

    def servers(self):
        """Protocol and server of each that there is."""
        known = ((protocol, getattr(self, protocol)) for protocol in PROTOCOLS)
        return {
            protocol: Server(server) if isinstance(server, int) else server
            for protocol, server in known if server is not None
        }

    def password(self, name="main"):
        """The local password of that name, made when it is first asked for."""
        return self.passwords.setdefault(name, "Local-" + secrets.token_urlsafe(15))


class Gateway:
    """`with Gateway(world, "name", [Account(…)]) as gateway:`; one local port for each protocol that an account
    has, in each TLS mode."""

    all = []

    def __init__(self, world, name, accounts, modes=("none",), settings="", listen="", address="127.0.0.1", ca=None):
        """`settings` go to the head of the configuration, `listen` into each SMTP listener's table."""
        self.world, self.name, self.accounts = world, name, accounts
        self.address, self.ca = address, ca or world.ca
        self.folder = world.path(name)
        self.state = os.path.join(self.folder, "state")
        used = {protocol for account in accounts for protocol in account.servers()}
        self._ports = {(protocol, mode): free_port() for protocol in sorted(used) for mode in modes}
        os.mkdir(self.folder, 0o700)
        self.config = os.path.join(self.folder, "saslgate.toml")
        self._write("client-secret", CLIENT_SECRET)
        self._write("saslgate.toml", self._toml(settings, listen))
        self.log_path = world.path(f"{name}.gateway.log")
        self._process = None
        Gateway.all.append(self)

    def __enter__(self):
        for account in self.accounts:
            account.password()
            for name in account.passwords:
                self.command("account", "password", account.login, "--name", name, stdin=account.password(name))
            if account.grant == "refresh_token" and account.signed_in:
                self.consent(account)
            for protocol, server in account.servers().items():
                if server.password:
                    self.command(
                        "account", "upstream-password", account.login, "--protocol", protocol, stdin=server.password
                    )
        self.start()
        return self

    def __exit__(self, *_):
        if self._process is not None:
            code = self._process.stop()
            self._process = None
            if code:
                raise LabError(f"{self.name} ended with exit code {code}")

    def port(self, protocol, mode="none"):
        """Where it listens."""
        return self._ports[protocol, mode]

    def _write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)

    def _toml(self, settings, listen):
        parts = [settings]
        for (protocol, mode), port in self._ports.items():
            parts.append(f'[[listen]]\nprotocol = "{protocol}"\naddress = "{self.address}:{port}"\ntls = "{mode}"')
            if self.address != "127.0.0.1":
                parts.append("allow_clear_network = true")
            if protocol == "smtp":
                parts.append(listen)
            if mode != "none":
                parts.append(f'certificate = "{self.world.certificate}"\nkey = "{self.world.key}"')
        parts.append(
            f'[defaults]\nprovider = "custom"\ntoken_url = "{self.world.token_url}"\n'
            f'scopes = ["mail"]\nca_file = "{self.ca}"'
        )
        parts.extend(self.account_toml(account) for account in self.accounts)
        return "\n".join(parts) + "\n"

    def account_toml(self, account):
        """The account's table, for the configuration or a file of accounts.d."""
        parts = [f'[[account]]\nlogin = "{account.login}"']
        # Of a whole domain each login is its own mailbox.
        if not account.login.startswith("*"):
            parts.append(f'mailbox = "{account.mailbox or account.login}"')
        if account.client:
            parts.append(f'grant = "{account.grant}"')
            # Google's key file says who the application is.
            parts.extend([] if account.grant == "service_account" else self._application(account))
        parts.extend(f"{key} = {value}" for key, value in account.settings.items())
        parts.extend(f"[account.{protocol}]\n{server.toml()}" for protocol, server in account.servers().items())
        return "\n".join(parts) + "\n"

    def _application(self, account):
        """Who the application is, and how it proves that unless the account's settings say it."""
        lines = [f'client_id = "{account.client}"']
        client = self.world.clients.get(account.client)
        if client and client["method"] == "client_secret_post":
            lines.append(f'client_secret = {{ file = "{self.folder}/client-secret" }}')
        return lines

    def rewrite(self, old, new):
        """Changes the configuration."""
        with open(self.config, encoding="utf-8") as file:
            text = file.read()
        self._write("saslgate.toml", text.replace(old, new))

    def write(self, name, text):
        """A file in its folder, which only this user may read."""
        self._write(name, text)

    # --- the command line ---

    def environment(self):
        return os.environ | {"SASLGATE_CONFIG": self.config, "SASLGATE_STATE": self.state, "RUST_BACKTRACE": "1"}

    def command(self, *arguments, stdin="", fails=False):
        """`saslgate ARGUMENTS`, with `stdin` on its standard input; returns what it printed."""
        done = run([binary(), *arguments], input=(stdin + "\n").encode(), env=self.environment())
        if (done.returncode != 0) != fails:
            raise LabError(
                f"saslgate {' '.join(arguments)}: exit code {done.returncode}\n"
                f"{done.stdout.decode()}{done.stderr.decode()}"
            )
        return done.stdout.decode()

    def consent(self, account):
        """What a sign-in in a browser ends with: a refresh token in the store."""
        client = self.world.clients[account.client]
        token = self.world.provider("consent", client=account.client, mailbox=client["mailbox"])
        self.command("account", "import-token", account.login, stdin=token)

    # --- the daemon ---

    def start(self, later=None, through=(), variables=None, **options):
        """Starts it; `later` sets its clock forward by so many minutes, so that tokens are old and leases
        have run out without waiting. `through` is a program that becomes it, as a service manager's does."""
        command = [*through, binary(), "run", "--config", self.config, "--state", self.state, "--log-level", "trace"]
        environment = self.environment() | (variables or {})
        if later:
            # Not the `faketime` program: it would stand between us and the process that we kill.
            environment |= {"LD_PRELOAD": libfaketime(), "FAKETIME": f"+{later}m", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self._process = Process(self.name, command, self.log_path, env=environment, **options)
        self._process.wait_ready(
            lambda: self._process.log().count("listening") >= len(self._ports), "all its ports"
        )

    def stop(self):
        """SIGTERM; returns the exit code."""
        process, self._process = self._process, None
        return process.stop()

    def interrupt(self):
        """Ctrl-C; returns the exit code."""
        process, self._process = self._process, None
        return process.stop(signal.SIGINT)

    @property
    def process(self):
        return self._process

    @property
    def pid(self):
        return self._process.pid

    def kill(self):
        """kill -9."""
        process, self._process = self._process, None
        process.kill()

    def log(self):
        return self._process.log()

    def wait_for_log(self, text):
        wait_until(lambda: text in self.log(), f"{text!r} in the log of {self.name}")
