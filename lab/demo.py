"""`saslgate demo` as a newcomer meets it: what it prints is pasted into a shell, line by line.

Needs no other part of the lab. The binary is the release build, or $SASLGATE_BIN.
"""

import imaplib
import os
import re
import signal
import sys
import tempfile
import unittest

from clients import message
from process import Process, free_port, run, wait_until
from world import ROOT, encodings

END = "Ctrl-C ends the demo."


def binary():
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    return os.environ.get("SASLGATE_BIN", os.path.join(target, "release", "saslgate"))


class Demo(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="saslgate-demo-"))
        self.port = free_port()
        command = [binary(), "demo", "--port", str(self.port)]
        self.demo = Process("demo", command, os.path.join(self.folder, "demo.log"))
        self.addCleanup(self.demo.kill)
        self.demo.wait_ready(lambda: END in self.demo.log(), "its introduction")
        self.introduction = self.demo.log().split(END)[0]

    def setting(self, name):
        return re.search(rf"(?m)^ +{name} +(\S+)$", self.introduction)[1]

    def test_what_it_prints_works_as_printed(self):
        pasted = self.introduction.split("another terminal:")[1]
        commands = [line.strip() for line in pasted.splitlines() if re.match(r" +[^# ]", line)]
        self.assertGreaterEqual(sum(command.startswith("curl ") for command in commands), 3)
        said = ""
        for command in commands:
            done = run(["sh", "-c", command], cwd=self.folder)
            self.assertEqual(done.returncode, 0, f"{command}\n{done.stderr.decode()}")
            said += done.stdout.decode()
        self.assertIn("INBOX", said)
        self.assertIn("Subject: ", said)
        self.assert_shown("LOGIN|AUTHENTICATE", "AUTHENTICATE (XOAUTH2|OAUTHBEARER)")

    def test_imaplib_lists_reads_flags_appends_searches_and_idles(self):
        with imaplib.IMAP4("127.0.0.1", self.port, timeout=30) as imap:
            imap.login(self.setting("user"), self.setting("password"))
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
            with imaplib.IMAP4("127.0.0.1", self.port, timeout=30) as other:
                other.login(self.setting("user"), self.setting("password"))
                other.append("INBOX", None, None, message("demo-idle"))
            self.assertRegex(imap.readline(), rb"^\* \d+ EXISTS")
            imap.send(b"DONE\r\n")
            wait_until(lambda: imap.readline().startswith(b"I1 OK"), "the end of IDLE")

    def test_ctrl_c_ends_it(self):
        self.assertEqual(self.demo.stop(signal.SIGINT), 0)

    def assert_shown(self, local, upstream):
        """Both conversations are shown, without the local password."""
        wait_until(lambda: re.search(rf"C: \S+ {upstream}", self.demo.log()), "the provider's leg")
        conversation = self.demo.log().split(END)[1]
        self.assertRegex(conversation, rf"C: \S+ ({local})")
        for form in encodings(self.setting("password")):
            self.assertNotIn(form, conversation)


if __name__ == "__main__":
    unittest.main(argv=sys.argv, verbosity=2)
