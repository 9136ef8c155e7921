"""People who sign in: one with a real browser (headless Chromium, by the W3C's WebDriver protocol over plain
HTTP), and a nimble one who fills in the same pages by HTTP, for tests that are not about the browser.

The hard thing is where it ends: at an address of the gateway's own, which may not be there.
"""

import html
import http.cookiejar
import json
import os
import re
import ssl
import tempfile
import urllib.error
import urllib.parse
import urllib.request

from process import LabError, Process, free_port, port_answers, wait_until

# Of every person at the provider.
PERSON_PASSWORD = "Person-Password/of the lab+5"

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
# The lab's certificates are its own, and Chromium's sandbox does not work as root.
CHROMIUM = [
    "--headless=new", "--no-sandbox", "--ignore-certificate-errors", "--no-proxy-server", "--disable-dev-shm-usage",
    "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
]


class Browser:
    """`with Browser(world) as browser:`; a fresh profile, as in a private window."""

    def __init__(self, world):
        self._world, self._port = world, free_port()

    def __enter__(self):
        self._profile = tempfile.TemporaryDirectory(dir=self._world.folder, ignore_cleanup_errors=True)
        log = self._world.path("chromedriver.log")
        self._driver = Process(
            "chromedriver", ["chromedriver", f"--port={self._port}"], log,
            env=os.environ | {"HOME": self._profile.name},
        )
        self._driver.wait_ready(lambda: port_answers(self._port), "its port")
        options = {"args": [*CHROMIUM, f"--user-data-dir={self._profile.name}"]}
        capabilities = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}
        answer = self._ask("POST", "/session", {"capabilities": capabilities})
        self._session = f"/session/{answer['sessionId']}"
        return self

    def __exit__(self, *_):
        try:
            self._ask("DELETE", self._session)
        finally:
            self._driver.stop()
            self._profile.cleanup()

    def _ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{path}", data, {"Content-Type": "application/json"}, method=method,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise LabError(f"WebDriver: {method} {path}: {error.read().decode()}") from None

    def open(self, link):
        self._ask("POST", f"{self._session}/url", {"url": link})

    @property
    def address(self):
        return self._ask("GET", f"{self._session}/url")

    @property
    def text(self):
        """What the page shows."""
        return self._ask("GET", f"{self._session}/element/{self._find('body')}/text")

    def _find(self, selector):
        found = self._ask("POST", f"{self._session}/elements", {"using": "css selector", "value": selector})
        return found[0][ELEMENT] if found else None

    def click(self, selector):
        """Clicks as soon as it is there."""
        element = wait_until(lambda: self._find(selector), f"{selector} on the page")
        self._ask("POST", f"{self._session}/element/{element}/click", {})

    def type(self, selector, text):
        element = wait_until(lambda: self._find(selector), f"{selector} on the page")
        self._ask("POST", f"{self._session}/element/{element}/value", {"text": text})

    def sign_in(self, link, name, password=PERSON_PASSWORD):
        """All that a person does; then what the last page says."""
        self.open(link)
        self.type("input[name=login]", name)
        self.type("input[name=password]", password)
        self.click("#go")
        wait_until(lambda: self._title() == "Permissions", "the permissions page")
        self.click("#go")
        wait_until(lambda: self._title() == "saslgate", "the page of saslgate")
        return self.text

    def _title(self):
        return self._ask("GET", f"{self._session}/title")


class Person:
    """Goes through the provider's pages by HTTP, with cookies of their own."""

    def __init__(self, world, name, password=PERSON_PASSWORD):
        self._name, self._password, self._base = name, password, world.issuer
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        context = ssl.create_default_context(cafile=world.ca)
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context), jar, _Stop(self._base),
        )

    def _ask(self, url, form=None):
        """(address, page); the page is None for an address that is not the provider's."""
        data = None if form is None else urllib.parse.urlencode(form).encode()
        try:
            with self._opener.open(url, data, timeout=30) as answer:
                return answer.geturl(), answer.read().decode()
        except _Elsewhere as elsewhere:
            return elsewhere.address, None
        except urllib.error.HTTPError as error:
            raise LabError(f"the provider: HTTP {error.code} for {url}: {error.read().decode()[:600]}") from None

    def sign_in(self, link, allow=True):
        """Where the browser is sent in the end."""
        address, page = self._through(*self._ask(link), allow)
        if page is not None:
            raise LabError(f"the provider does not send the browser back: {page[:500]}")
        return address

    def enter_code(self, link, code):
        """The device flow: the code, the confirmation, the sign-in; the last page."""
        address, page = self._ask(link)
        address, page = self._ask(urllib.parse.urljoin(address, action(page)), hidden(page) | {"user_code": code})
        address, page = self._ask(urllib.parse.urljoin(address, action(page)), hidden(page) | {"confirm": "yes"})
        return self._through(address, page, True)[1]

    def _through(self, address, page, allow):
        while page is not None and "<title>Sign in</title>" in page:
            address, page = self._ask(address, {"login": self._name, "password": self._password})
        while page is not None and "<title>Permissions</title>" in page:
            address, page = self._ask(address, {"consent": "yes" if allow else "no"})
        return address, page


def action(page):
    return html.unescape(re.search(r'<form[^>]*action="([^"]*)"', page)[1])


def hidden(page):
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in fields}


class _Elsewhere(Exception):
    def __init__(self, address):
        super().__init__(address)
        self.address = address


class _Stop(urllib.request.HTTPRedirectHandler):
    """Follows the provider's redirects within the provider alone."""

    def __init__(self, base):
        self._base = base

    def redirect_request(self, request, file, code, message, headers, address):
        if not address.startswith(self._base):
            raise _Elsewhere(address)
        return urllib.request.Request(address)
