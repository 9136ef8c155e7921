"""`saslgate demo` as a newcomer meets it: what it prints is pasted into a shell, line by line.

Needs no other part of the lab. The binary is the release build, or $SASLGATE_BIN.
"""

import imaplib
import os
import poplib
import re
import signal
import smtplib
import socket
import sys
import tempfile
import unittest

from clients import message
from process import Process, free_port, run, wait_until
from world import ROOT, encodings

END = "Ctrl-C ends the demo."

# What each leg shows of a login, by protocol: the client's, the provider's.
LOGINS = {
    "IMAP": (r"\S+ (LOGIN|AUTHENTICATE) ", r"\S+ AUTHENTICATE (XOAUTH2|OAUTHBEARER) <access token of "),
    "SMTP": (r"AUTH PLAIN", r"AUTH (XOAUTH2|OAUTHBEARER)$"),
    "POP3": (r"(PASS <password>|AUTH PLAIN)", r"AUTH (XOAUTH2|OAUTHBEARER)$"),
}


def binary():
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    return os.environ.get("SASLGATE_BIN", os.path.join(target, "release", "saslgate"))


class Demo(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="saslgate-demo-"))
        self.imap, self.pop3, self.smtp = free_port(), free_port(), free_port()
        self.demo = self.start(*self.ports())
        self.introduction = self.demo.log().split(END)[0]
        self.user, self.password = self.setting("user"), self.setting("password")

    def ports(self):
        return ["--imap-port", self.imap, "--pop3-port", self.pop3, "--smtp-port", self.smtp]

    def start(self, *arguments):
        command = [binary(), "demo", *map(str, arguments)]
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".log", delete=False) as log:
            demo = Process("demo", command, log.name)
        self.addCleanup(demo.kill)
        demo.wait_ready(lambda: END in demo.log(), "its introduction")
        return demo

    def setting(self, name, introduction=None):
        found = re.search(rf"(?m)^ +{name} +([^\s,]+)", introduction or self.introduction)
        return found[1]

    def test_what_it_prints_works_as_printed(self):
        pasted = self.introduction.split("another terminal:")[1]
        commands = [line.strip() for line in pasted.splitlines() if re.match(r" +[^# ]", line)]
        said = {}
        for command in commands:
            done = run(["sh", "-c", command], cwd=self.folder)
            self.assertEqual(done.returncode, 0, f"{command}\n{done.stderr.decode()}")
            said[command] = done.stdout.decode()
        tools = ("curl .*smtp:", "curl .*imap:", "curl .*pop3:", "smtplib", "imaplib", "poplib")
        for tool in tools:
            self.assertTrue(any(re.search(tool, command) for command in commands), tool)
        everything = "".join(said.values())
        for words in ("INBOX", "Subject: Welcome", "Subject: Hello from Python"):
            self.assertIn(words, everything)
        newest = next(text for command, text in said.items() if "poplib" in command)
        self.assertIn("Sent with smtplib.", newest)
        for protocol in LOGINS:
            self.assert_shown(protocol)
        self.assert_hides("Sent with")

    def test_settings_are_where_it_listens(self):
        for name, port in (("IMAP", self.imap), ("POP3", self.pop3), ("SMTP", self.smtp)):
            self.assertEqual(self.setting(f"{name} port"), str(port))

    def test_imaplib_lists_reads_flags_appends_searches_and_idles(self):
        with self.open_imap() as imap:
            self.assertIn(b"INBOX", b"".join(imap.list()[1]))
            count = int(imap.select()[1][0])
            self.assertGreater(count, 0)
            self.assertIn(b"Subject: ", imap.fetch("1", "(BODY[])")[1][0][1])
            self.assertEqual(imap.store("1", "+FLAGS", r"(\Flagged)")[0], "OK")
            self.assertIn(b"1", imap.search(None, "FLAGGED")[1][0].split())
            self.assertEqual(imap.append("INBOX", None, None, message("demo"))[0], "OK")
            number = imap.search(None, "SUBJECT", "demo")[1][0].split()[-1]
            self.assertEqual(imap.fetch(number, "(BODY[])")[1][0][1], message("demo"))
            # imaplib knows IDLE from Python 3.14 on.
            imap.send(b"I1 IDLE\r\n")
            self.assertTrue(imap.readline().startswith(b"+ "))
            with self.open_imap() as other:
                other.append("INBOX", None, None, message("demo-idle"))
            self.assertRegex(imap.readline(), rb"^\* \d+ EXISTS")
            imap.send(b"DONE\r\n")
            wait_until(lambda: imap.readline().startswith(b"I1 OK"), "the end of IDLE")

    def test_what_curl_and_smtplib_send_is_read_by_imap_and_pop3(self):
        sent = {"curl": message("by-curl") + b"..\r\n.dot\r\n", "smtplib": message("by-smtplib")}
        self.send_with_curl(sent["curl"])
        with self.open_smtp() as smtp:
            for keyword in ("size", "8bitmime", "chunking", "smtputf8", "dsn"):
                self.assertTrue(smtp.has_extn(keyword), keyword)
            smtp.sendmail(self.user, [self.user, "else@example.com"], sent["smtplib"])
        with self.open_imap() as imap:
            imap.select()
            read = [imap.fetch(number, "(BODY[])")[1][0][1] for number in ("4", "5")]
            imap.select("Sent", readonly=True)
            kept = [imap.fetch(number, "(BODY[])")[1][0][1] for number in ("1", "2")]
        self.assertEqual(kept, list(sent.values()))
        for arrived, content in zip(read, sent.values()):
            trace, _, rest = arrived.partition(content)
            self.assertEqual(rest, b"", arrived)
            self.assertRegex(trace, rb"\AReturn-Path: <\S+>\r\nReceived: from [^:]+; .+\r\n\Z")
        pop3 = self.open_pop3()
        self.assertEqual(pop3.stat()[0], 5)
        lines = [b"\r\n".join(pop3.retr(number)[1]) + b"\r\n" for number in (4, 5)]
        self.assertEqual(lines, read)
        pop3.quit()
        # The fourth connection: all that was read has passed before.
        wait_until(lambda: "  4  ended" in self.conversation(), "the end of the conversations")
        self.assert_hides("looks like a command", ".dot")

    def test_poplib_lists_cuts_and_deletes(self):
        pop3 = self.open_pop3()
        self.assertIn("UIDL", pop3.capa())
        ids = pop3.uidl()[1]
        self.assertEqual(len(ids), 3)
        header, _, body = b"\n".join(pop3.top(1, 2)[1]).partition(b"\n\n")
        self.assertIn(b"Subject: Welcome", header)
        self.assertEqual(body.count(b"\n"), 1)
        pop3.dele(1)
        pop3.quit()
        pop3 = self.open_pop3()
        self.assertEqual([line.split()[1] for line in pop3.uidl()[1]],
                         [line.split()[1] for line in ids[1:]])
        pop3.quit()
        with self.open_imap() as imap:
            self.assertEqual(imap.select()[1], [b"2"])

    def test_a_report_of_delivery_comes_where_one_is_asked_for(self):
        with self.open_smtp() as smtp:
            smtp.sendmail(self.user, self.user, message("wants-report"), rcpt_options=["NOTIFY=SUCCESS"])
        with self.open_imap() as imap:
            imap.select()
            report = imap.fetch("5", "(BODY[])")[1][0][1]
        self.assertIn(b"Action: delivered", report)
        self.assertIn(b"Subject: wants-report", report)

    def test_a_taken_port_is_replaced(self):
        with socket.create_server(("127.0.0.1", 0)) as held:
            taken = held.getsockname()[1]
            other = self.start("--imap-port", taken, "--pop3-port", free_port(), "--smtp-port", taken)
            introduction = other.log()
            self.assertIn(f"Port {taken} cannot be used", introduction)
            ports = [self.setting(f"{name} port", introduction) for name in ("IMAP", "SMTP")]
            self.assertNotIn(str(taken), ports)
            password = self.setting("password", introduction)
            with smtplib.SMTP("127.0.0.1", int(ports[1]), timeout=30) as smtp:
                smtp.login(self.user, password)

    def test_port_still_means_the_one_for_imap(self):
        self.demo.kill()
        demo = self.start(*["--port" if word == "--imap-port" else word for word in self.ports()])
        self.assertEqual(self.setting("IMAP port", demo.log()), str(self.imap))

    def test_ctrl_c_ends_it(self):
        self.assertEqual(self.demo.stop(signal.SIGINT), 0)

    def open_imap(self):
        imap = imaplib.IMAP4("127.0.0.1", self.imap, timeout=30)
        imap.login(self.user, self.password)
        return imap

    def open_smtp(self):
        smtp = smtplib.SMTP("127.0.0.1", self.smtp, timeout=30)
        smtp.login(self.user, self.password)
        return smtp

    def open_pop3(self):
        pop3 = poplib.POP3("127.0.0.1", self.pop3, timeout=30)
        pop3.user(self.user)
        pop3.pass_(self.password)
        return pop3

    def send_with_curl(self, content):
        path = os.path.join(self.folder, "content.eml")
        with open(path, "wb") as file:
            file.write(content)
        command = ["curl", "--silent", "--show-error", "--user", f"{self.user}:{self.password}",
                   f"smtp://127.0.0.1:{self.smtp}/client.example.org", "--mail-from", self.user,
                   "--mail-rcpt", self.user, "--upload-file", path]
        done = run(command)
        self.assertEqual(done.returncode, 0, done.stderr.decode())

    def conversation(self):
        return self.demo.log().split(END)[1]

    def assert_shown(self, protocol):
        """Both conversations are shown, without the local password."""
        client, provider = LOGINS[protocol]
        wait_until(lambda: re.search(rf"(?m)provider  C: {provider}", self.conversation()),
                   f"the provider's {protocol} leg")
        self.assertRegex(self.conversation(), rf"(?m)client  C: {client}")
        self.assert_hides(*encodings(self.password))

    def assert_hides(self, *secrets):
        for secret in secrets:
            self.assertNotIn(secret, self.conversation())


if __name__ == "__main__":
    unittest.main(argv=sys.argv, verbosity=2)
