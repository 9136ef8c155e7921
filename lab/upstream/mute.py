"""Servers that say what they are told to and then nothing more, at any moment of a session.

The hard thing is a silence that is none of the network's: the connection stands, and what is sent is taken."""

import contextlib
import socket
import ssl
import threading

from process import free_port


class Mute:
    """`with Mute(world, [b"* OK\\r\\n", …]) as server:`. It says the first, then one more for each line that it gets,
    and then nothing; a line that begins with `{tag}` gets the client's. `tls=False`: the handshake is what it does not
    answer."""

    def __init__(self, world, says=(), tls=True):
        self.port, self.says, self.tls = free_port(), says, tls
        self.connections = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(world.certificate, world.key)
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=50)

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            # The client's end must not wait for ours.
            connection.settimeout(60)
            if self.tls:
                connection = self._context.wrap_socket(connection, server_side=True)
            lines, tag = connection.makefile("rb"), b""
            for number, said in enumerate(self.says):
                if number:
                    tag = lines.readline().split(b" ")[0]
                connection.sendall(said.replace(b"{tag}", tag))
            # The last is what nobody answers; the end is the gateway's.
            while connection.recv(65536) if not self.says else lines.readline():
                pass


class Unaccepting:
    """A port whose queue is full: a connection is begun and never made."""

    def __init__(self):
        self.port = free_port()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(0)
        self._waiting = []

    def __enter__(self):
        while True:
            waiting = socket.socket()
            waiting.settimeout(0.3)
            self._waiting.append(waiting)
            try:
                waiting.connect(("127.0.0.1", self.port))
            except TimeoutError:
                return self

    def __exit__(self, *_):
        for waiting in (*self._waiting, self._listener):
            waiting.close()
