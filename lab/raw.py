"""Clients that say exactly what a test wants said, and see exactly what comes back."""

import base64
import re
import socket


class Raw:
    """`with Raw(port) as client:`, in clear."""

    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=60)
        self._reader = self.socket.makefile("rb")
        self.greeting = self.greet()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()

    def greet(self):
        return self.line()

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


class RawImap(Raw):
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
        user, password = (text.replace("\\", "\\\\").replace('"', '\\"') for text in (user, password))
        return self.command(tag, f'LOGIN "{user}" "{password}"')


class RawSmtp(Raw):
    def greet(self):
        return self.reply()

    def reply(self):
        """One reply with all its lines; nothing at the end."""
        lines = b""
        while True:
            line = self.line()
            lines += line
            if not re.match(rb"\d\d\d-", line):
                return lines.decode("utf-8", "replace")

    def command(self, text):
        self.send(text if isinstance(text, bytes) else f"{text}\r\n")
        return self.reply()

    def login(self, user, password, hello="EHLO lab.test"):
        """The reply to AUTH PLAIN."""
        self.command(hello)
        return self.command("AUTH PLAIN " + plain(user, password))

    def envelope(self, sender="alice@lab.test", recipient="somebody@sink.test", parameters=""):
        """MAIL and RCPT; the replies to both."""
        return self.command(f"MAIL FROM:<{sender}>{parameters}") + self.command(f"RCPT TO:<{recipient}>")

    def data(self, octets):
        """DATA and a message, given without dot-stuffing and with a CRLF at its end; the last reply."""
        reply = self.command("DATA")
        if not reply.startswith("354"):
            return reply
        stuffed = re.sub(rb"(?:\A|(?<=\r\n))\.", b"..", octets)
        return self.command(stuffed + b".\r\n")

    def bdat(self, octets, last=True):
        return self.command(b"BDAT %d%b\r\n" % (len(octets), b" LAST" if last else b"") + octets)


class RawPop3(Raw):
    def command(self, text):
        """The one line of a reply."""
        self.send(f"{text}\r\n")
        return self.line().decode("utf-8", "replace")

    def lines(self, text):
        """A reply of several lines, whole and as it came."""
        self.send(f"{text}\r\n")
        whole = line = self.line()
        if line.startswith(b"+OK"):
            while line not in (b".\r\n", b""):
                line = self.line()
                whole += line
        return whole

    def login(self, user, password):
        """The replies to USER and PASS."""
        return self.command(f"USER {user}") + self.command(f"PASS {password}")


def plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()
