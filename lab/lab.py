"""What the tests share: one world for the whole run, made by __main__."""

import leftovers
from process import free_port
from world import World, provider_client

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# A web application's one redirect address.
WEB_REDIRECT = f"http://localhost:{free_port()}/signed-in"

# Each test that counts requests has an application of its own.
ROBOTS = (
    "refused-once", "refused-many", "refused-always", "refused-new", "refused-smtp", "disabled-smtp", "refused-pop3",
    "revoked", "first", "restart", "faulty-robot", "slow",
)
PERSONS = ("faulty-person", "killed-before", "killed-after", "killed-strict", "random-strict")
# Applications that people sign in to. All are Greta's, and whoever signs in says so.
SIGN_IN = ("stray", "twice", "replay", "pasted", "device", "wrong")
LENIENT = ("killed-lenient", "random-lenient")

# Accounts of the soak.
SOAKED = 50

CLIENTS = [
    provider_client("robot", "client_credentials", "alice@lab.test", jwt=True),
    provider_client("robot-opaque", "client_credentials", "bob@lab.test"),
    provider_client("reader", "client_credentials", "petra@lab.test", jwt=True),
    provider_client("reader-opaque", "client_credentials", "paul@lab.test"),
    provider_client("eraser", "client_credentials", "erika@lab.test", jwt=True),
    provider_client("mixed", "client_credentials", "mia@lab.test", jwt=True),
    provider_client("forwarder", "client_credentials", "frida@lab.test", jwt=True),
    provider_client("person", "refresh_token", "carol@lab.test", lifetime=20),
    *(provider_client(name, "client_credentials", "dora@lab.test") for name in ROBOTS),
    *(provider_client(name, "refresh_token", "emil@lab.test", lifetime=1) for name in PERSONS),
    provider_client("public", "refresh_token", "greta@lab.test", lifetime=20, method="none"),
    provider_client("confidential", "refresh_token", "greta@lab.test", lifetime=20),
    provider_client("web", "refresh_token", "greta@lab.test", lifetime=20, redirect_uris=[WEB_REDIRECT]),
    *(provider_client(name, "refresh_token", "greta@lab.test", lifetime=20, method="none") for name in SIGN_IN),
    provider_client("emailproxy", "refresh_token", "greta@lab.test", lifetime=20),
    provider_client("hannas-robot", "client_credentials", "hanna@lab.test"),
    provider_client("certificate", "client_credentials", "hanna@lab.test", method="private_key_jwt"),
    provider_client("federated", "client_credentials", "hanna@lab.test", method="federated"),
    provider_client("service-account", JWT_BEARER, "hanna@lab.test", jwt=True),
    provider_client("owner-password", "password", "hanna@lab.test"),
    *(provider_client(f"soak-{number}", "refresh_token", "emil@lab.test", lifetime=20) for number in range(SOAKED)),
    *(provider_client(name, "refresh_token", "fritz@lab.test", lifetime=1, rotation="lenient") for name in LENIENT),
]

_world = None


def open_world():
    global _world
    leftovers.remove()
    _world = World(CLIENTS)
    _world.__enter__()


def world():
    assert _world is not None, "run the tests with `python3 lab [TEST …]`"
    return _world


def close_world():
    _world.__exit__()
