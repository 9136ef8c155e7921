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
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from process import free_port


# Every token that an endpoint here has made up, for the search through the gateways' logs.
ISSUED = set()

# Exchange Online, as Microsoft's texts name it.
EXCHANGE_ONLINE = "00000002-0000-0ff1-ce00-000000000000"

# Microsoft's sentences, by number.
AADSTS = {
    50011: "The redirect URI '{redirect}' specified in the request does not match the redirect URIs configured for the "
           "application '{application}'. Make sure the redirect URI sent in the request matches one added to your "
           "application in the Azure portal.",
    50034: "The user account {user} does not exist in the {tenant} directory. To sign into this application, the "
           "account must be added to the directory.",
    50076: "Due to a configuration change made by your administrator, or because you moved to a new location, you must "
           f"use multi-factor authentication to access '{EXCHANGE_ONLINE}'.",
    50079: "Due to a configuration change made by your administrator, or because you moved to a new location, you must "
           f"enroll in multi-factor authentication to access '{EXCHANGE_ONLINE}'.",
    50173: "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have "
           "changed or reset their password. The grant was issued on '2026-11-02T08:00:00.0000000Z' and the "
           "TokensValidFrom date (before which tokens are not valid) for this user is '2026-11-24T08:00:00.0000000Z'.",
    53003: "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
    65001: "The user or administrator has not consented to use the application with ID '{application}' named "
           "'saslgate'. Send an interactive authorization request for this user and resource.",
    70000: "Provided grant is invalid or malformed.",
    70011: "The provided request must include a 'scope' input parameter. The provided value for the input parameter "
           "'scope' is not valid.",
    70043: "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access. The "
           "token was issued on 2026-11-23T08:00:00.0000000Z and the maximum allowed lifetime for this request is 86400.",
    90002: "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the "
           "correct cloud. Check with your subscription administrator, this may happen if there are no active "
           "subscriptions for the tenant.",
    90055: "There are too many incoming requests for this tenant.",
    700016: "Application with identifier '{application}' was not found in the directory '{tenant}'. This can happen if "
            "the application has not been installed by the administrator of the tenant or consented to by any user in "
            "the tenant. You may have sent your authentication request to the wrong tenant.",
    700025: "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
    700082: "The refresh token has expired due to inactivity. The token was issued on 2026-08-01T08:00:00.0000000Z and "
            "was inactive for 90.00:00:00.",
    7000215: "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "
             "not the client secret ID, for a secret added to app '{application}'.",
    7000218: "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    7000222: "The provided client secret keys for app '{application}' are expired. Visit the Azure portal to create "
             "new keys for your app: https://aka.ms/NewClientSecret",
}


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
    """An OAuth error, with Microsoft's number where there is one, and then in Microsoft's form. `names` are what
    its text speaks of: application, tenant, user, redirect."""

    def __init__(self, error, code=None, status=400, names=None, **headers):
        body = {"error": error, "error_description": "Only for tests."}
        if code:
            body |= microsoft(code, names or {})
        super().__init__(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


class Names(dict):
    """A name that nobody said stands as itself."""

    def __missing__(self, name):
        return f"the {name}"


def microsoft(code, names):
    """What Microsoft writes beside the error: one sentence, and where to find it in its logs."""
    sentence = AADSTS.get(code, "Only for tests.").format_map(Names(names))
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    timestamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    return {
        "error_description": f"AADSTS{code}: {sentence} Trace ID: {trace} Correlation ID: {correlation} "
                             f"Timestamp: {timestamp}",
        "error_codes": [code], "timestamp": timestamp, "trace_id": trace, "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={code}",
    }


def after(seconds):
    """`Retry-After` as a date."""
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds))


class Hang:
    """Nothing comes until the endpoint closes."""

    def give(self, request):
        request.server.closing.wait()


class Headers:
    """The head of an answer, and then nothing."""

    def give(self, request):
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.flush()
        request.server.closing.wait()


class Drip:
    """An answer of which an octet comes now and then."""

    def give(self, request):
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        while not request.server.closing.wait(0.1):
            request.wfile.write(b" ")


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
    an answer, a list to be taken in turn (the last one stays), or a function of the form. A browser's GET goes to its
    `authorize`, where it has one."""

    def __init__(self, world, certificate=None, address="127.0.0.1"):
        """`certificate` is (file, key); the lab's own where there is none."""
        self.port, self.answers, self.asked = free_port(), {}, []
        self._lock, endpoint = threading.Lock(), self

        class Request(BaseHTTPRequestHandler):
            def do_POST(self):
                form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                name = self.path.split("/")[1]
                endpoint._take(name, dict(urllib.parse.parse_qsl(form))).give(self)

            def do_GET(self):
                path, _, query = self.path.partition("?")
                endpoint.answers[path.split("/")[1]].authorize(dict(urllib.parse.parse_qsl(query))).give(self)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 200
            # One that waits for a peer that is gone without a word is waited for by nobody.
            block_on_close, daemon_threads = False, True

            def handle_error(self, request, address):
                pass  # the gateway left, as tests make it do

        self._server = Server((address, self.port), Request)
        self._server.closing = threading.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate or (world.certificate, world.key))
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
            # What Microsoft says of a tenant that it does not know.
            answer = self.answers.get(name) or Refusal("invalid_request", 90002, names={"tenant": name})
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
        return answer(form) if callable(answer) else answer

    def forms(self, name):
        """All requests to that name, in order."""
        with self._lock:
            return [form for asked, form in self.asked if asked == name]
