"""Bad days of SMTP servers. A client never hears 250 for a message that the server did not accept, and never
a permanent error for a fault that passes: it would throw its password or its mail away."""

import random
import unittest

import lab
from clients import message
from gateway import Account, Gateway, Server
from process import wait_until
from raw import RawSmtp
from upstream import CUT, HANG
from upstream.smtp import KEYWORDS, RecordingSmtp

SETTINGS = '[deadlines]\nupstream_answer = "1s"\nfailed_login_delay = "10ms"\n'
MANY_LINES = b"535-5.7.8 Username and Password not accepted. Learn more at\r\n535 5.7.8  https://lab.test/ - gsmtp\r\n"
DISABLED = (
    b"535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. "
    b"Visit https://aka.ms/smtp_auth_disabled for more information. [LO4P123CA0001]\r\n"
)

# Moments before the login is decided, and what is said then.
LOGIN_FAULTS = {
    "greeting": (
        b"421 4.3.2 Service not available\r\n", b"554 5.3.2 No service\r\n", b"* OK IMAP here\r\n", b"220", CUT, HANG,
    ),
    "EHLO": (b"421 4.7.0 Try again later\r\n", b"502 5.5.1 What?\r\n", b"250 alone\r\n", b"250-a\r\n550 b\r\n", CUT, HANG),
    "AUTH": (
        b"432 4.7.12 A password transition is needed\r\n", b"454 4.7.0 Not now\r\n", b"421 4.4.2 Dropped\r\n",
        b"504 5.5.4 No such mechanism\r\n", b"500 5.5.1 Not understood\r\n", b"235 2.7.0 At once\r\n", CUT, HANG,
    ),
    "verdict": (
        b"535 5.7.3 Authentication unsuccessful\r\n", MANY_LINES, DISABLED, b"454 4.7.0 Temporary failure\r\n",
        b"432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending\r\n",
        b"421 4.7.66 TLS 1.0 and 1.1 are not supported\r\n", b"451 4.7.500 Server busy\r\n", b"550 5.7.30 Basic\r\n",
        b"501 5.5.124 Invalid XOAUTH2 auth data\r\n", b"334 \r\n", CUT, HANG,
    ),
}


class Case(unittest.TestCase):
    tls = "implicit"

    def setUp(self):
        self.start("robot")

    def start(self, client, **options):
        world = lab.world()
        self.upstream = self.enterContext(RecordingSmtp(world, self.tls))
        application = world.clients[client]
        self.account = Account(application["mailbox"], client, smtp=Server(self.upstream.port, self.tls))
        name = f"faults-smtp-{len(Gateway.all)}"
        self.gateway = self.enterContext(Gateway(world, name, [self.account], settings=SETTINGS, **options))

    def client(self):
        return self.enterContext(RawSmtp(self.gateway.port("smtp")))

    def log_in(self, client=None):
        """The reply to AUTH."""
        return (client or self.client()).login(self.account.login, self.account.password())

    def logged_in(self):
        client = self.client()
        self.assertEqual(self.log_in(client)[:3], "235")
        return client

    def works_again(self, message_id):
        """The fault has passed: a new connection sends."""
        self.upstream.answers, self.upstream.cut_after = {}, None
        client = self.logged_in()
        client.envelope()
        self.assertEqual(client.data(message(message_id))[:3], "250")
        self.assertEqual(len(self.upstream.with_id(message_id)), 1)


class Login(Case):
    def test_every_fault_is_a_passing_one_for_the_client(self):
        for moment, faults in LOGIN_FAULTS.items():
            for fault in faults:
                with self.subTest(moment=moment, fault=fault), RawSmtp(self.gateway.port("smtp")) as client:
                    self.upstream.answers = {moment: fault}
                    self.assertRegex(self.log_in(client), r"\A454 4\.7\.0 [^\r]+\r\n\Z")
                    # It may try again on this connection.
                    self.assertEqual(client.command("NOOP")[:3], "250")
        self.works_again("after-login-faults")

    def test_a_refused_token_behind_a_challenge_in_many_lines(self):
        self.upstream.refuse, self.upstream.refusal = lambda token: True, MANY_LINES
        for challenge in (True, False):
            self.upstream.challenge = challenge
            reply = self.log_in()
            self.assertRegex(reply, r"\A454 4\.7\.0 [^\r]+\r\n\Z")

    def test_a_missing_mechanism_shows_no_token(self):
        self.upstream.mechanisms = ("NTLM",)
        self.assertEqual(self.log_in()[:9], "454 4.7.0")
        self.assertEqual(self.upstream.tokens, [])


class StartTls(Case):
    tls = "starttls"

    def test_no_tls_no_token(self):
        for fault in (
            b"454 4.7.0 TLS not available\r\n", b"501 5.5.4 No\r\n", b"250 2.0.0 Not quite\r\n", b"421 4.3.2 Bye\r\n",
            b"220 2.0.0 Ready\r\n250 2.0.0 Injected\r\n", b"220 2.0.0 Ready\r\n250-", CUT, HANG,
        ):
            with self.subTest(fault=fault):
                self.upstream.answers = {"STARTTLS": fault}
                self.assertEqual(self.log_in()[:9], "454 4.7.0")
        self.upstream.answers, self.upstream.hides_starttls = {}, True
        self.assertEqual(self.log_in()[:9], "454 4.7.0")
        self.assertEqual(self.upstream.tokens, [])
        self.upstream.hides_starttls = False
        self.works_again("after-starttls-faults")


class Tokens(Case):
    def setUp(self):
        pass

    def aged(self, client):
        """A gateway whose token is no longer new, but has most of its life before it."""
        self.start(client)
        self.assertEqual(self.log_in()[:3], "235")
        self.gateway.stop()
        self.gateway.start(later=15)
        self.asked = lambda: lab.world().requests(client)["asked"]

    def test_one_refusal_is_not_noticed(self):
        self.aged("refused-smtp")
        stale = self.upstream.tokens[0]
        self.upstream.refuse = lambda token: token == stale
        self.works_again("after-a-refused-token")
        self.assertEqual(self.asked(), 2)

    def test_a_refusal_that_is_not_about_the_token_costs_none(self):
        self.aged("disabled-smtp")
        self.upstream.refuse, self.upstream.refusal = lambda token: True, DISABLED
        reply = self.log_in()
        self.assertRegex(reply, r"\A454 4\.7\.0 .*(SMTP|SmtpClientAuthentication)")
        self.assertEqual(self.asked(), 1)


class Sending(Case):
    def test_what_the_server_refuses_is_refused_in_its_words(self):
        client = self.logged_in()
        for moment, reply in (
            ("MAIL", b"451 4.7.500 Server busy\r\n"), ("MAIL", b"550-5.7.60 Not\r\n550 5.7.60 your address\r\n"),
            ("RCPT", b"450 4.2.1 Later\r\n"), ("RCPT", b"550 5.1.1 Nobody\r\n"),
            ("DATA", b"451 4.3.0 Not now\r\n"), ("DATA", b"554 5.5.1 No\r\n"),
            ("message", b"452 4.3.1 Full\r\n"), ("message", b"451-4.3.2 STOREDRV.ClientSubmit;\r\n451 4.3.2 limit\r\n"),
            ("message", b"554 5.2.252 SendAsDenied\r\n"), ("message", b"552 5.2.2 mailbox full\r\n"),
        ):
            with self.subTest(moment=moment, reply=reply):
                self.upstream.answers = {moment: reply}
                replies = [client.command("MAIL FROM:<alice@lab.test>"), client.command("RCPT TO:<a@sink.test>")]
                replies.append(client.data(b"refused\r\n"))
                self.assertIn(reply.decode(), replies)
                self.assertNotEqual(replies[2][:1], "2")
                self.assertEqual(client.command("RSET")[:3], "250")
        self.assertEqual(self.upstream.messages, [])
        self.upstream.answers = {}
        client.envelope()
        self.assertEqual(client.data(b"taken\r\n")[:3], "250")

    def test_the_line_drops(self):
        """At every moment of a message. What the server then took, nobody knows: 421, or a closed connection, has the
        client try again."""
        mail = message("dropped", 300_000)
        for moment in ("MAIL", "RCPT", "DATA", "message", 10, 150_000):
            for bdat in (False, True)[: 1 if moment == "DATA" else 2]:
                with self.subTest(moment=moment, bdat=bdat):
                    client = self.logged_in()
                    if isinstance(moment, int):
                        self.upstream.cut_after = moment
                    else:
                        self.upstream.answers = {moment: CUT}
                    replies = self.send_until_the_end(client, mail, bdat)
                    self.assertNotEqual(replies[-1][:1], "2", replies)
                    self.assertRegex(replies[-1], r"\A(421 4\.\d\.\d .*\r\n)?\Z")
                    self.assertEqual(client.rest(), b"")
                    self.upstream.answers, self.upstream.cut_after = {}, None
        self.assertEqual(self.upstream.messages, [])
        self.works_again("after-drops")

    def send_until_the_end(self, client, mail, bdat):
        """All replies up to the one that ends the attempt."""
        replies = []
        try:
            for command in ("MAIL FROM:<alice@lab.test>", "RCPT TO:<a@sink.test>"):
                replies.append(client.command(command))
                if replies[-1][:1] != "2":
                    return replies
            replies.append(client.bdat(mail) if bdat else client.data(mail))
        except ConnectionError:
            replies.append("")
        return replies

    def test_421_in_the_session_is_passed_on_and_ends_it(self):
        for moment in ("MAIL", "message"):
            with self.subTest(moment):
                client = self.logged_in()
                self.upstream.answers = {moment: b"421 4.4.2 Connection dropped due to SocketError\r\n"}
                replies = self.send_until_the_end(client, b"ended\r\n", bdat=False)
                self.assertEqual(replies[-1], "421 4.4.2 Connection dropped due to SocketError\r\n")
                self.assertEqual(client.rest(), b"")
                self.upstream.answers = {}
        self.assertEqual(self.upstream.messages, [])

    def test_the_line_drops_under_pipelined_messages(self):
        """The first is taken, the second is not: one 250, one end."""
        client = self.logged_in()
        taken = []
        self.upstream.answers["message"] = lambda line: CUT if self.upstream.messages else taken.append(line)
        envelope = b"MAIL FROM:<alice@lab.test>\r\nRCPT TO:<a@sink.test>\r\n"
        client.send((envelope + b"BDAT 5 LAST\r\none\r\n") * 2 + envelope)
        self.assertEqual([client.reply()[:3] for _ in range(5)], ["250"] * 5)
        self.assertRegex(client.rest(), rb"\A(421 4\.\d\.\d .*\r\n)?\Z")
        self.assertEqual(len(self.upstream.messages), 1)

    def test_the_gateway_ends_while_the_server_thinks(self):
        client = self.logged_in()
        self.upstream.answers["message"] = HANG
        client.envelope()
        client.send("DATA\r\n")
        self.assertEqual(client.reply()[:3], "354")
        client.send("thought over\r\n.\r\n")
        wait_until(lambda: self.upstream.sessions[-1].received.endswith(b"\r\n.\r\n"), "the message at the server")
        self.assertEqual(self.gateway.stop(), 0)
        self.assertRegex(client.rest(), rb"\A421 4\.3\.2 [^\r]*\r\n\Z")

    def test_a_client_that_leaves_in_a_message_sends_none(self):
        for bdat in (False, True):
            client = self.logged_in()
            client.envelope()
            client.send(b"BDAT 1000 LAST\r\nhalf" if bdat else b"DATA\r\n")
            if not bdat:
                self.assertEqual(client.reply()[:3], "354")
                client.send(b"half a message\r\n")
            client.leave()
            self.assertTrue(self.upstream.sessions[-1].ended.wait(30))
        self.assertEqual(self.upstream.messages, [])

    def test_faults_at_random(self):
        """Whatever happens when: a 250 means taken once, and any other last word means not taken."""
        for seed in range(3):
            with self.subTest(seed=seed):
                self.at_random(random.Random(seed), f"random-{seed}-")

    def at_random(self, chance, prefix):
        heard, client = {}, None
        for number in range(40):
            moment = chance.choice(("none", "greeting", "verdict", "MAIL", "RCPT", "DATA", "message", "cut"))
            fault = chance.choice((b"451 4.3.0 Later\r\n", b"421 4.3.2 Bye\r\n", b"550 5.0.0 Never\r\n", CUT))
            self.upstream.answers = {moment: fault}
            self.upstream.cut_after = chance.randrange(5000) if moment == "cut" else None
            if client is None:
                client = self.client()
                if self.log_in(client)[:3] != "235":
                    client = client.leave()
                    continue
            mail = message(f"{prefix}{number}", chance.randrange(20_000))
            heard[number] = self.send_until_the_end(client, mail, bdat=chance.random() < 0.5)[-1]
            # After a refusal as after a fault, some go on and some come again.
            if heard[number][:3] in ("421", "") or chance.random() < 0.3 or client.command("RSET")[:3] != "250":
                client = client.leave()
        for number, reply in heard.items():
            taken = len(self.upstream.with_id(f"{prefix}{number}"))
            self.assertEqual(taken, int(reply.startswith("250")), (number, reply))
        # It was a mixed day.
        self.assertGreater(len({reply[:3] for reply in heard.values()}), 2, heard)


class Lacking(Case):
    """The promise before the login is what the servers had; one that has less is found out behind it."""

    def promise_and_lose(self, *keywords):
        """A client that was promised everything, at a server that has only these."""
        self.assertEqual(self.log_in()[:3], "235")
        client = self.client()
        promised = client.command("EHLO lab.test")
        for keyword in KEYWORDS:
            self.assertIn(keyword, promised)
        self.upstream.keywords = list(keywords)
        self.assertEqual(client.login(self.account.login, self.account.password(), hello="NOOP")[:3], "235")
        return client

    def test_what_is_lacking_is_refused_here_and_nothing_else(self):
        client = self.promise_and_lose("SIZE 1000")
        for parameters in (" BODY=8BITMIME", " BODY=BINARYMIME", " SMTPUTF8", " RET=HDRS"):
            self.assertRegex(client.command(f"MAIL FROM:<alice@lab.test>{parameters}"), r"\A555 5\.5\.4 ", parameters)
        self.assertRegex(client.command("MAIL FROM:<alice@lab.test> SIZE=2000"), r"\A552 5\.3\.4 ")
        self.assertEqual(client.command("MAIL FROM:<alice@lab.test> SIZE=900")[:3], "250")
        self.assertRegex(client.command("RCPT TO:<a@sink.test> NOTIFY=NEVER"), r"\A555 5\.5\.4 ")
        self.assertEqual(client.command("RCPT TO:<a@sink.test>")[:3], "250")
        self.assertRegex(client.bdat(b"chunk\r\n"), r"\A50[02] 5\.5\.1 ")
        self.assertEqual(client.data(b"data\r\n")[:3], "250")
        self.assertEqual(
            bytes(self.upstream.sessions[-1].received),
            b"MAIL FROM:<alice@lab.test> SIZE=900\r\nRCPT TO:<a@sink.test>\r\nDATA\r\ndata\r\n.\r\n",
        )
        self.assertEqual([kept.octets for kept in self.upstream.messages], [b"data\r\n"])

    def test_the_promise_follows(self):
        self.promise_and_lose("SIZE 1000", "8BITMIME")
        promised = self.client().command("EHLO lab.test")
        self.assertIn("SIZE 1000\r\n", promised)
        self.assertIn("PIPELINING", promised)
        for keyword in ("CHUNKING", "SMTPUTF8", "DSN"):
            self.assertNotIn(keyword, promised)
