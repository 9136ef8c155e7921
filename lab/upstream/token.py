"""A token endpoint that does as a test says: each of the provider's errors, and each way to fail.

The hard thing is that what was asked must be told afterwards: every request is kept with its form, and
answers are chosen by the path, so that one endpoint stands for many providers.
"""

import json
import secrets
import socket
import ssl
import struct
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from process import free_port


# Every token that an endpoint here has made up, for the search through the gateways' logs.
ISSUED = set()


class Answer:
    """What is said to one request."""

    def __init__(self, status=200, body=b"", headers=None):
        self.status, self.headers = status, headers or {}
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()

    def give(self, request):
        request.send_response(self.status)
        for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(self.body))} | self.headers).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(self.body)


class Grant(Answer):
    """A good answer; `members` are added, or left out where they are None."""

    def __init__(self, refresh=False, **members):
        access, new = "Access-" + secrets.token_urlsafe(24), "Refresh-" + secrets.token_urlsafe(24)
        body = {"token_type": "Bearer", "access_token": access, "expires_in": 3600}
        body |= {"refresh_token": new} if refresh else {}
        body = {name: value for name, value in (body | members).items() if value is not None}
        ISSUED.update(body[name] for name in ("access_token", "refresh_token") if name in body)
        super().__init__(body=body)


class Refusal(Answer):
    """An OAuth error, with Microsoft's number where there is one."""

    def __init__(self, error, code=None, status=400, **headers):
        body = {"error": error, "error_description": "Only for tests."}
        if code:
            body |= {"error_codes": [code], "error_description": f"AADSTS{code}: Only for tests.",
                     "trace_id": "00000000-1111-2222-3333-444444444444"}
        super().__init__(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def after(seconds):
    """`Retry-After` as a date."""
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds))


class Hang:
    """Nothing comes until the endpoint closes."""

    def give(self, request):
        request.server.closing.wait()


class Endless:
    """An answer that goes on and on."""

    def give(self, request):
        request.send_response(200)
        request.end_headers()
        while not request.server.closing.is_set():
            request.wfile.write(b" " * 65536)


class Reset:
    """The connection is reset in place of an answer."""

    def give(self, request):
        request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Past TLS, which would say goodbye.
        socket.socket(fileno=request.connection.detach()).close()


class ScriptedEndpoint:
    """`with ScriptedEndpoint(world) as endpoint:`; `endpoint.answers["name"]` is what `endpoint.url("name")` gives:
    an answer, a list to be taken in turn (the last one stays), or a function of the form."""

    def __init__(self, world):
        self.port, self.answers, self.asked = free_port(), {}, []
        self._lock, endpoint = threading.Lock(), self

        class Request(BaseHTTPRequestHandler):
            def do_POST(self):
                form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                name = self.path.split("/")[1]
                endpoint._take(name, dict(urllib.parse.parse_qsl(form))).give(self)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 200

            def handle_error(self, request, address):
                pass  # the gateway left, as tests make it do

        self._server = Server(("127.0.0.1", self.port), Request)
        self._server.closing = threading.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(world.certificate, world.key)
        # The handshake in each connection's own thread, not in the one that accepts.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, name):
        return f"https://localhost:{self.port}/{name}/token"

    def _take(self, name, form):
        with self._lock:
            self.asked.append((name, form))
            answer = self.answers[name]
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
        return answer(form) if callable(answer) else answer

    def forms(self, name):
        """All requests to that name, in order."""
        with self._lock:
            return [form for asked, form in self.asked if asked == name]
