"""A name server that answers as a test says: late, wrongly, differently each time, or never.

The hard thing is that a system's resolver asks for both families at once and judges them together: so what
is said can be set for each of them.
"""

import socket
import struct
import threading
import time

A, AAAA = 1, 28
SERVFAIL, NXDOMAIN = 2, 3


class Says:
    """An answer: addresses, or an error's number, after so many seconds; `None`: never."""

    def __init__(self, *addresses, error=0, after=0.0):
        self.addresses, self.error, self.after = addresses, error, after


NOTHING, NEVER = Says(), Says(after=None)


class NameServer:
    """`with NameServer("10.77.0.2") as names:`. `names.zone[name]` is a function of the type asked for (A, AAAA) that
    gives what it Says; a name that nobody has set does not exist."""

    def __init__(self, address):
        self.zone, self.asked = {}, []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        self._closing = threading.Event()
        self._late = []
        self._lock = threading.Lock()

    def __enter__(self):
        self._threads = [threading.Thread(target=self._serve), threading.Thread(target=self._be_late)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._closing.set()
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def set(self, name, *v4, v6=()):
        """A name with these addresses, told at once."""
        self.zone[name] = lambda kind: Says(*(v4 if kind == A else v6))

    def count(self, name):
        return sum(1 for asked, _ in list(self.asked) if asked == name)

    def _serve(self):
        self._socket.settimeout(0.05)
        while not self._closing.is_set():
            try:
                packet, sender = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            name, kind, question = parse(packet)
            self.asked.append((name, kind))
            known = self.zone.get(name)
            says = known(kind) if known else Says(error=NXDOMAIN)
            if says.after is None:
                continue
            reply = answer(packet[:2], question, kind, says)
            if says.after:
                with self._lock:
                    self._late.append((time.monotonic() + says.after, reply, sender))
            else:
                self._socket.sendto(reply, sender)

    def _be_late(self):
        while not self._closing.wait(0.02):
            now = time.monotonic()
            with self._lock:
                due = [entry for entry in self._late if entry[0] <= now]
                self._late = [entry for entry in self._late if entry[0] > now]
            for _, reply, sender in due:
                self._socket.sendto(reply, sender)


def parse(packet):
    """Name, type, and the question as it stands (RFC 1035 section 4.1.2)."""
    labels, place = [], 12
    while packet[place]:
        labels.append(packet[place + 1 : place + 1 + packet[place]].decode().lower())
        place += 1 + packet[place]
    (kind,) = struct.unpack_from("!H", packet, place + 1)
    return ".".join(labels), kind, packet[12 : place + 5]


def answer(number, question, kind, says):
    family = socket.AF_INET if kind == A else socket.AF_INET6
    header = number + struct.pack("!HHHHH", 0x8180 | says.error, 1, len(says.addresses), 0, 0)
    records = b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(octets)) + octets
        for octets in (socket.inet_pton(family, address) for address in says.addresses)
    )
    return header + question + records
