"""A client that says exactly what a test wants said, and sees exactly what comes back."""

import socket


class Raw:
    """`with Raw(port) as client:`, in clear."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._reader = self.socket.makefile("rb")
        self.greeting = self.line()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()

    def leave(self):
        """Goes without a word."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._reader.close()
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets.encode() if isinstance(octets, str) else octets)

    def line(self):
        """One line with its CRLF; nothing at the end."""
        return self._reader.readline()

    def read(self, length):
        """That many octets, or fewer at the end."""
        return self._reader.read(length)

    def rest(self):
        """Everything until the end."""
        return self._reader.read()

    def answer(self, tag):
        """All lines up to the tagged one, joined."""
        lines = b""
        while True:
            line = self.line()
            lines += line
            if not line or line.startswith(tag.encode() + b" "):
                return lines.decode("utf-8", "replace")

    def command(self, tag, text):
        self.send(f"{tag} {text}\r\n")
        return self.answer(tag)

    def login(self, user, password, tag="L1"):
        return self.command(tag, f'LOGIN "{user}" "{password}"')
