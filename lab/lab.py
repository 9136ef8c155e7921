"""What the tests share: one world for the whole run, made by __main__."""

from world import World, provider_client

CLIENTS = [
    provider_client("robot", "client_credentials", "alice@lab.test", jwt=True),
    provider_client("robot-opaque", "client_credentials", "bob@lab.test"),
    provider_client("person", "refresh_token", "carol@lab.test", lifetime=20),
]

_world = None


def open_world():
    global _world
    _world = World(CLIENTS)
    _world.__enter__()


def world():
    assert _world is not None, "run the tests with `python3 lab [TEST …]`"
    return _world


def close_world():
    _world.__exit__()
