"""One tenant of Microsoft Entra ID at a scripted token endpoint: applications, people, and what they agreed to.

The hard thing is that a wrong setting must fail as it does there: the tenant, the application, its secret and its
consents are compared with what was asked, and whoever passes gets a token with the claims that follow from them.
Exchange ([exchange]) then believes it or not by its claims.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
import urllib.parse
import uuid
from dataclasses import dataclass, field

from upstream.token import ISSUED, Answer, Grant, Refusal, microsoft

OUTLOOK = "https://outlook.office.com"
DELEGATED = {"imap": "IMAP.AccessAsUser.All", "pop3": "POP.AccessAsUser.All", "smtp": "SMTP.Send"}
APP_ONLY = {"imap": "IMAP.AccessAsApp", "pop3": "POP.AccessAsApp", "smtp": "SMTP.SendAsApp"}
# Whoever made the token up; Exchange believes no other.
KEY = secrets.token_bytes(32)
# Neither names a resource.
OPENID = {"openid", "profile", "email", "offline_access"}

# The `error` beside each number that is not invalid_grant.
ERRORS = {
    50011: "invalid_request", 90002: "invalid_request", 70011: "invalid_scope", 700016: "unauthorized_client",
    700025: "invalid_client", 7000215: "invalid_client", 7000218: "invalid_client", 7000222: "invalid_client",
    50076: "interaction_required", 50079: "interaction_required", 90055: "temporarily_unavailable",
}


def refusal(code, **names):
    """That number, in the form and with the HTTP status that it has at Microsoft."""
    error = ERRORS.get(code, "invalid_grant")
    if code == 90055:
        return Refusal(error, code, 429, names, Retry_After="60")
    return Refusal(error, code, 401 if error == "invalid_client" else 400, names)


@dataclass
class Application:
    """One of the tenant's. Without `secret` it is public."""

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    secret: str | None = None
    secret_expired: bool = False
    # What the user, or an administrator, has agreed to.
    scopes: set = field(default_factory=lambda: set(DELEGATED.values()))
    roles: set = field(default_factory=set)
    # Without their ports.
    redirects: set = field(default_factory=lambda: {"http://localhost"})
    # Of its service principal, under Enterprise applications.
    object_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Directory:
    """One tenant: put it into a ScriptedEndpoint's `answers` under the tenant's name."""

    def __init__(self, tenant):
        self.tenant, self.tenant_id = tenant, str(uuid.uuid4())
        self.applications = {}
        # Refresh token: (application's id, user).
        self.sign_ins = {}
        # Code that a browser took along: (application's id, user, the nonce of who asked).
        self.codes = {}
        # What a policy says in place of a token or a code: application's id -> AADSTS number.
        self.policies = {}

    def application(self, **settings):
        made = Application(**settings)
        self.applications[made.id] = made
        return made

    def sign_in(self, application, user):
        """What a sign-in in a browser ends with: a refresh token."""
        token = "Refresh-" + secrets.token_urlsafe(24)
        ISSUED.add(token)
        self.sign_ins[token] = application.id, user
        return token

    def revoke(self, application):
        """As an administrator does: every sign-in is worth nothing."""
        self.policies[application.id] = 50173

    def authorize(self, query):
        """What a browser comes to, whose user has signed in and agrees. A redirect address that is not registered is
        told on a page of Microsoft's own, and the program that waits hears nothing."""
        application, redirect = self.applications.get(query["client_id"]), query["redirect_uri"]
        names = {"application": query["client_id"], "tenant": self.tenant, "redirect": redirect}
        code = 700016 if application is None else 0
        if application and re.sub(r":\d+", "", redirect.removeprefix("http:")) not in {
            it.removeprefix("http:") for it in application.redirects
        }:
            code = 50011
        if code:
            return Answer(400, microsoft(code, names)["error_description"].encode(), {"Content-Type": "text/html"})
        back = {"state": query["state"], "session_state": str(uuid.uuid4())}
        if query["client_id"] in self.policies:
            said = microsoft(self.policies[query["client_id"]], names)
            back |= {"error": "access_denied", "error_description": said["error_description"], "error_uri": said["error_uri"]}
        else:
            back["code"] = secrets.token_urlsafe(48)
            ISSUED.add(back["code"])
            self.codes[back["code"]] = application.id, query["login_hint"], query.get("nonce")
        return Answer(302, b"", {"Location": f"{redirect}?{urllib.parse.urlencode(back)}"})

    def __call__(self, form):
        """The answer to one request."""
        names = {"application": form.get("client_id", ""), "tenant": self.tenant}
        application = self.applications.get(form.get("client_id"))
        code = 700016 if application is None else self._fault(application, form)
        if code:
            return refusal(code, **names)
        resource, wanted = resource_of(form.get("scope", ""))
        if resource is None:
            return refusal(70011, **names)
        if form.get("grant_type") == "client_credentials":
            return self._app_only(application, resource)
        _, user, *nonce = self._sign_in(form)
        granted = wanted & application.scopes if resource == OUTLOOK else wanted
        if not granted:
            return refusal(65001, **names)
        return self._delegated(application, user, resource, granted, *nonce)

    def _sign_in(self, form):
        """Whose it is: (application's id, user), from a code with a nonce. A code is good once."""
        if form.get("grant_type") == "authorization_code":
            return self.codes.pop(form.get("code"))
        return self.sign_ins[form["refresh_token"]]

    def _fault(self, application, form):
        """What is wrong with who asks."""
        shown = form.get("client_secret")
        if application.secret is None and shown is not None:
            return 700025
        if application.secret is not None:
            if shown is None:
                return 7000218
            if not hmac.compare_digest(shown, application.secret):
                return 7000215
            if application.secret_expired:
                return 7000222
        if application.id in self.policies:
            return self.policies[application.id]
        if form.get("grant_type") == "client_credentials":
            return None
        known = self.sign_ins.get(form.get("refresh_token")) or self.codes.get(form.get("code"))
        return None if known and known[0] == application.id else 70000

    def _claims(self, application, resource):
        now = int(time.time())
        return {
            "aud": resource, "iss": f"https://sts.windows.net/{self.tenant_id}/", "iat": now, "nbf": now,
            "exp": now + 3600, "appid": application.id, "tid": self.tenant_id, "ver": "1.0",
        }

    def _app_only(self, application, resource):
        roles = sorted(application.roles)
        claims = {"oid": application.object_id, "idtyp": "app"} | ({"roles": roles} if roles else {})
        return Grant(access_token=token(self._claims(application, resource) | claims))

    def _delegated(self, application, user, resource, granted, nonce=None):
        claims = {
            "scp": " ".join(sorted(granted)), "upn": user, "unique_name": user, "oid": str(uuid.uuid5(uuid.NAMESPACE_DNS, user)),
        }
        return Grant(
            access_token=token(self._claims(application, resource) | claims),
            # The old one goes on working, as at Microsoft.
            refresh_token=self.sign_in(application, user),
            scope=" ".join(f"{resource}/{name}" for name in sorted(granted)),
            id_token=token(self._identity(application, user, nonce)),
        )

    def _identity(self, application, user, nonce):
        """The claims of an id_token."""
        now = int(time.time())
        return {
            "aud": application.id, "iss": f"https://login.microsoftonline.com/{self.tenant_id}/v2.0", "iat": now, "nbf": now,
            "exp": now + 3600, "name": user, "preferred_username": user, "oid": str(uuid.uuid5(uuid.NAMESPACE_DNS, user)),
            "sub": secrets.token_urlsafe(32), "tid": self.tenant_id, "ver": "2.0",
        } | ({"nonce": nonce} if nonce else {})


def resource_of(scope):
    """(resource, permissions asked for): the first one that is named counts, as at Microsoft."""
    named = [name for name in scope.split() if name not in OPENID]
    if not named or "/" not in named[0]:
        return None, set()
    resource = named[0].rpartition("/")[0]
    # The two names of Exchange Online.
    known = OUTLOOK if resource.rstrip("/") in (OUTLOOK, "https://outlook.office365.com") else resource
    return known, {name.rpartition("/")[2] for name in named}


def token(claims):
    """A JWT that Exchange believes."""
    head = ".".join(encode(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "HS256"}, claims))
    made = f"{head}.{encode(sign(head))}"
    ISSUED.add(made)
    return made


def claims_of(token):
    """The claims of one of ours; None for anything else."""
    head, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature, encode(sign(head))):
        return None
    payload = head.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def sign(head):
    return hmac.new(KEY, head.encode(), hashlib.sha256).digest()


def encode(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
