"""Networks of a test's own: namespaces, wires between them that lose, delay, swallow and break, names.

The hard thing is a peer that dies without a word: on loopback every end is told. So each wire is a pair of
TUN devices, one in each namespace, and a thread of ours carries the packets from one to the other, or does
not. It draws its losses from a seed, so a bad day can be had again.
"""

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import selectors
import shutil
import struct
import subprocess
import threading
import time
from types import SimpleNamespace

from process import LabError, run
from world import ROOT

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_libc = ctypes.CDLL(None, use_errno=True)
# The name that certificates of these networks are for, and all names below it.
DOMAIN = "days.test"


def why_not():
    """What is missing for networks of our own, or nothing."""
    if os.getuid() != 0:
        return "needs root, for network namespaces"
    if not shutil.which("ip"):
        return "needs iproute2"
    with Namespace("probe") as one, Namespace("probe") as other:
        if one.fault or other.fault:
            return one.fault or other.fault
        try:
            with Wire(one, other, ["10.99.0.1/24"], ["10.99.0.2/24"]):
                return None
        except (OSError, LabError) as error:
            return f"no TUN devices here: {error}"


class Namespace:
    """`with Namespace("gateway") as namespace:`; what `namespace.inside()` opens belongs to it."""

    _numbers = iter(range(1 << 30))

    def __init__(self, what, files=None):
        """`files` stand in /etc for programs that run inside: hosts, resolv.conf."""
        self.name = f"saslgate-{os.getpid()}-{next(self._numbers)}-{what}"
        self.files, self.fault = files or {}, None
        self.folder = f"/etc/netns/{self.name}"

    def __enter__(self):
        added = run(["ip", "netns", "add", self.name])
        if added.returncode:
            self.fault = f"no network namespaces here: {added.stderr.decode().strip()}"
            return self
        if self.files:
            os.makedirs(self.folder)
        for name, text in self.files.items():
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        self.ip("link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        run(["ip", "netns", "delete", self.name])
        shutil.rmtree(self.folder, ignore_errors=True)

    def ip(self, *arguments):
        done = run(["ip", "-n", self.name, *arguments])
        if done.returncode:
            raise LabError(f"ip {' '.join(arguments)}: {done.stderr.decode()}")

    @property
    def through(self):
        """What a program is started with to live inside."""
        return ("ip", "netns", "exec", self.name)

    @contextlib.contextmanager
    def inside(self):
        """Sockets that this thread makes meanwhile are of the namespace, and stay so."""
        with open("/proc/thread-self/ns/net", "rb") as ours, open(f"/run/netns/{self.name}", "rb") as theirs:
            _enter(theirs)
            try:
                yield
            finally:
                _enter(ours)


def _enter(namespace):
    if _libc.setns(namespace.fileno(), CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Wire:
    """`with Wire(one, other, ["10.77.0.1/24"], ["10.77.0.2/24"]) as wire:`. Set `delay` (seconds), `loss` (of 1),
    `longest` (octets of a packet: longer ones vanish), `dead`."""

    _numbers = iter(range(1 << 30))

    def __init__(self, one, other, addresses_of_one, addresses_of_other, seed=1):
        self.delay, self.loss, self.longest, self.dead = 0.0, 0.0, 65535, False
        self.carried = self.lost = 0
        self._random = random.Random(seed)
        number = next(self._numbers)
        ends = ((one, addresses_of_one), (other, addresses_of_other))
        self._devices = [
            self._device(namespace, f"sg{os.getpid() % 100000}-{number}{side}", addresses)
            for (namespace, addresses), side in zip(ends, "ab")
        ]
        self._wake, self._woken = os.pipe()
        self._thread = threading.Thread(target=self._carry)

    def _device(self, namespace, name, addresses):
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
        moved = run(["ip", "link", "set", name, "netns", namespace.name])
        if moved.returncode:
            raise LabError(moved.stderr.decode())
        for address in addresses:
            namespace.ip("address", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
        namespace.ip("link", "set", name, "up", "txqueuelen", "5000")
        return SimpleNamespace(file=device, name=name, namespace=namespace, addresses=addresses)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        os.close(self._woken)
        self._thread.join()
        for device in self._devices:
            os.close(device.file)
        os.close(self._wake)

    def down(self):
        """The first end loses its link, as when Wi-Fi goes: routes are gone, and the system knows."""
        device = self._devices[0]
        device.namespace.ip("link", "set", device.name, "down")

    def up(self):
        device = self._devices[0]
        device.namespace.ip("link", "set", device.name, "up")
        for address in device.addresses:
            # IPv4 addresses stay over a link's end, IPv6 ones do not.
            if ":" in address:
                device.namespace.ip("address", "replace", address, "dev", device.name, "nodad")

    def _carry(self):
        one, other = (device.file for device in self._devices)
        flying, count = [], 0
        with selectors.DefaultSelector() as selector:
            selector.register(one, selectors.EVENT_READ, other)
            selector.register(other, selectors.EVENT_READ, one)
            selector.register(self._wake, selectors.EVENT_READ, None)
            while True:
                wait = max(0.0, flying[0][0] - time.monotonic()) if flying else None
                for ready, _ in selector.select(wait):
                    if ready.data is None:
                        return
                    for packet in packets(ready.fd):
                        if self.dead or len(packet) > self.longest or self._random.random() < self.loss:
                            self.lost += 1
                            continue
                        count += 1
                        heapq.heappush(flying, (time.monotonic() + self.delay, count, ready.data, packet))
                while flying and flying[0][0] <= time.monotonic():
                    _, _, to, packet = heapq.heappop(flying)
                    # What was on its way when the wire died does not arrive.
                    if self.dead:
                        self.lost += 1
                        continue
                    with contextlib.suppress(OSError):  # that end is down
                        os.write(to, packet)
                        self.carried += 1


def packets(device):
    """What has been sent into a device; few at a time, so that the other end has its turn."""
    for _ in range(64):
        try:
            yield os.read(device, 65536)
        except (BlockingIOError, OSError):
            return


def certificates(folder, through=()):
    """A CA, and a certificate for every name of DOMAIN; in place of the world's, for servers here. `through` is a
    program that runs what makes them."""
    names = f"DNS:localhost, DNS:{DOMAIN}, DNS:*.{DOMAIN}"
    made = run([*through, os.path.join(ROOT, "certs", "make"), folder, "30", names])
    if made.returncode:
        raise LabError(made.stderr.decode())
    names = {"ca": "ca.pem", "certificate": "localhost.pem", "key": "localhost.key"}
    return SimpleNamespace(**{name: os.path.join(folder, file) for name, file in names.items()})


def sockets(namespace, state):
    """How many TCP sockets of a namespace are in that state, as `ss` names it."""
    shown = subprocess.run(
        ["ip", "netns", "exec", namespace.name, "ss", "-Htn", "state", state], capture_output=True, check=True
    )
    return len(shown.stdout.splitlines())
