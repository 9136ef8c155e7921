"""An HTTP proxy (CONNECT) that ends every tunnel at one port of the lab's: so that an account may keep Microsoft's own
addresses, and the texts with its links and commands are those that its people would read."""

import selectors
import socket
import threading

from process import free_port


class Proxy:
    """`with Proxy(port) as proxy:`; `proxy.asked` are the hosts that were asked for."""

    def __init__(self, target):
        self.target, self.port, self.asked = target, free_port(), []
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=200)
        self._threads, self._sockets = [], []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        for end in self._sockets:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client):
        try:
            with client, socket.create_connection(("127.0.0.1", self.target)) as server:
                self._sockets.append(server)
                head = b""
                while b"\r\n\r\n" not in head:
                    if not (came := client.recv(4096)):
                        return
                    head += came
                self.asked.append(head.split()[1].decode())
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                relay(client, server)
        except OSError:
            pass  # one of them left


def relay(one, other):
    """Octets in both directions until one side ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for ready, _ in selector.select():
                came = ready.fileobj.recv(65536)
                if not came:
                    return
                ready.data.sendall(came)
