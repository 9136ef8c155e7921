"""Bad days of tokens: refused, throttled, interrupted. Never a lost sign-in, never a storm."""

import random
import threading
import time
import unittest

import lab
from gateway import Account, Gateway
from process import wait_until
from raw import RawImap
from upstream.imap import RecordingImap

# Minutes: long enough that the gateway no longer takes its token for one that it has just got.
LATER = 15
# The provider's tokens for these tests live for a second: then every login has to refresh.
ALWAYS = {"fresh_percent": 95}


class Case(unittest.TestCase):
    """One account of one of the provider's clients, on a recording upstream."""

    def start(self, client, settings=None, gateway_settings="", dovecot=False):
        world = lab.world()
        self.world, self.name = world, client
        self.upstream = self.enterContext(RecordingImap(world))
        application = world.clients[client]
        self.account = Account(
            application["mailbox"], client, world.dovecot.imaps if dovecot else self.upstream.port,
            grant=application["grant"], settings=settings or {},
        )
        name = f"{self.id().split('.')[-1]}-{client}-{len(Gateway.all)}"
        self.gateway = Gateway(world, name, [self.account], settings=gateway_settings)
        self.enterContext(self.gateway)

    def log_in(self):
        """One login on a connection of its own; the gateway's whole answer."""
        with RawImap(self.gateway.port("imap")) as client:
            return client.login(self.account.login, self.account.password())

    def try_to_log_in(self):
        """The same with a gateway that may be killed meanwhile."""
        try:
            return self.log_in()
        except OSError:
            return ""

    def asked(self):
        return self.world.requests(self.name)["asked"]


class Refused(Case):
    def age_the_token(self):
        """A token in the store that is no longer new, but has most of its life before it."""
        self.assertIn("L1 OK", self.log_in())
        self.gateway.stop()
        self.gateway.start(later=LATER)
        self.assertIn("L1 OK", self.log_in())
        self.assertEqual(self.asked(), 1)

    def test_once_and_the_client_does_not_notice(self):
        self.start("refused-once")
        self.age_the_token()
        stale = self.upstream.tokens[0]
        self.upstream.refuse = lambda token: token == stale
        self.assertIn("L1 OK", self.log_in())
        self.assertEqual(self.asked(), 2)
        self.assertNotEqual(self.upstream.tokens[-1], stale)

    def test_once_by_dovecot_and_the_client_does_not_notice(self):
        """The real server's answer to a token that its provider has revoked."""
        self.start("revoked", dovecot=True)
        self.age_the_token()
        self.world.provider("revoke", client=self.name)
        self.assertIn("L1 OK", self.log_in())
        self.assertEqual(self.asked(), 2)

    def test_once_and_ten_clients_do_not_notice(self):
        self.start("refused-many")
        self.age_the_token()
        stale = self.upstream.tokens[0]
        self.upstream.refuse = lambda token: token == stale
        # One has set off the refresh, which the provider keeps back until the others are refused as well.
        self.world.provider("fault", client=self.name, kind="hold-request", times=1)
        answers, known = [], len(self.upstream.tokens)
        first = threading.Thread(target=lambda: answers.append(self.log_in()))
        first.start()
        wait_until(lambda: self.world.provider("held"), "the token request")
        others = threading.Thread(target=lambda: answers.extend(at_once(9, self.log_in)))
        others.start()
        wait_until(lambda: len(self.upstream.tokens) == known + 10, "ten refused tokens")
        self.world.provider("release")
        first.join()
        others.join()
        self.assertEqual([answer for answer in answers if "L1 OK" not in answer], [])
        self.assertEqual((len(answers), self.asked()), (10, 2))

    def test_always_gives_the_refusal_and_no_storm(self):
        self.start("refused-always")
        self.age_the_token()
        self.upstream.refuse = lambda token: True
        for answer in [*at_once(10, self.log_in), self.log_in()]:
            self.assertIn("L1 NO [CONTACTADMIN]", answer)
        self.assertEqual(self.asked(), 2)

    def test_a_new_token_is_not_replaced(self):
        self.start("refused-new")
        self.upstream.refuse = lambda token: True
        self.assertIn("L1 NO [CONTACTADMIN]", self.log_in())
        self.assertIn("L1 NO [CONTACTADMIN]", self.log_in())
        self.assertEqual(self.asked(), 1)


class Endpoint(Case):
    def test_ten_first_logins_make_one_request(self):
        self.start("first")
        self.assertEqual([answer for answer in at_once(10, self.log_in) if "L1 OK" not in answer], [])
        self.assertEqual(self.asked(), 1)

    def test_a_restart_needs_no_request(self):
        self.start("restart")
        self.assertIn("L1 OK", self.log_in())
        self.gateway.kill()
        self.gateway.start()
        self.assertIn("L1 OK", self.log_in())
        self.assertEqual(self.asked(), 1)

    def test_faults_pass_and_the_sign_in_stays(self):
        for client in ("faulty-robot", "faulty-person"):
            for kind in ("unavailable", "nonsense"):
                with self.subTest(client=client, kind=kind):
                    self.start(client)
                    self.world.provider("fault", client=client, kind=kind, times=1000)
                    self.assertIn("L1 NO [UNAVAILABLE]", self.log_in())
                    self.world.provider("fault", client=client, kind=kind, times=0)
                    wait_until(lambda: "L1 OK" in self.log_in(), "a login after the fault")
                    self.doCleanups()

    def test_a_slow_endpoint_is_given_up_and_disturbs_nobody(self):
        self.start("slow", gateway_settings='[deadlines]\ntoken = "1s"\n')
        self.world.provider("fault", client="slow", kind="hold-answer", times=1)
        self.assertIn("L1 NO [UNAVAILABLE]", self.log_in())
        self.world.provider("release")
        wait_until(lambda: "L1 OK" in self.log_in(), "a login after the slow answer")


class Killed(Case):
    """kill -9 around a refresh that rotates the refresh token, with a provider that revokes everything
    when a spent one is used again."""

    def refresh_and_kill(self, fault):
        """Kills the gateway while the provider keeps back the request or the answer of a refresh."""
        self.world.provider("fault", client=self.name, kind=fault, times=1)
        answers = []
        client = threading.Thread(target=lambda: answers.append(self.try_to_log_in()))
        client.start()
        wait_until(lambda: self.world.provider("held"), "the token request")
        self.gateway.kill()
        client.join()
        self.assertEqual(answers, [""])
        self.world.provider("drop")
        # The lease that the dead process holds runs out first.
        self.gateway.start(later=5)

    def test_before_the_provider_acts(self):
        self.start("killed-before", settings=ALWAYS)
        self.assertIn("L1 OK", self.log_in())
        self.refresh_and_kill("hold-request")
        self.assertIn("L1 OK", self.log_in())

    def test_after_the_commit(self):
        self.start("killed-after", settings=ALWAYS)
        for _ in range(5):
            self.assertIn("L1 OK", self.log_in())
            self.gateway.kill()
            self.gateway.start()
        self.assertIn("L1 OK", self.log_in())

    def test_in_between_with_a_lenient_provider(self):
        self.start("killed-lenient", settings=ALWAYS)
        self.assertIn("L1 OK", self.log_in())
        self.refresh_and_kill("hold-answer")
        self.assertIn("L1 OK", self.log_in())

    def test_in_between_with_a_strict_provider_is_named(self):
        """Nobody can undo it: the person hears what happened, and one new sign-in mends it."""
        self.start("killed-strict", settings=ALWAYS)
        self.assertIn("L1 OK", self.log_in())
        self.refresh_and_kill("hold-answer")
        answer = self.log_in()
        self.assertIn("* NO [ALERT]", answer)
        self.assertIn("L1 NO [UNAVAILABLE]", answer)
        self.assertIn("interrupted", answer)
        self.gateway.consent(self.account)
        self.assertIn("L1 OK", self.log_in())

    def test_many_times_at_random(self):
        """With a strict provider a sign-in may be lost only if the kill fell between its answer and our
        commit; with a lenient one never."""
        seed = random.randrange(2**32)
        for client, lenient in (("random-lenient", True), ("random-strict", False)):
            with self.subTest(client=client, seed=seed):
                self.start(client, settings=ALWAYS)
                chance, lost = random.Random(seed), 0
                began = time.monotonic()
                self.assertIn("L1 OK", self.log_in())
                # The kills are spread over all that a login does here.
                span = 1.2 * (time.monotonic() - began)
                for turn in range(40):
                    lost += self.kill_after(chance.uniform(0, span), lenient, turn)
                print(f"\n  {client}: 40 kills, {lost} in the unavoidable window", end=" ", flush=True)
                self.doCleanups()

    def kill_after(self, seconds, lenient, turn):
        """Returns whether the sign-in was lost, which it may be in one window only."""
        before = self.world.requests(self.name)["granted"]
        answers = []
        login = threading.Thread(target=lambda: answers.append(self.try_to_log_in()))
        login.start()
        login.join(seconds)
        self.gateway.kill()
        login.join()
        # The lease that the dead process may hold runs out first: each turn is later than the one before.
        self.gateway.start(later=5 * (turn + 1))
        answer = self.log_in()
        heard, rotated = "L1 OK" in answers[0], self.world.requests(self.name)["granted"] - before
        if "L1 OK" in answer:
            return False
        self.assertFalse(lenient, answer)
        self.assertEqual((rotated, heard), (1, False), f"lost outside the window, in turn {turn}: {answer}")
        self.assertIn("interrupted", answer)
        self.gateway.consent(self.account)
        self.assertIn("L1 OK", self.log_in())
        return True


def at_once(number, work):
    """The results of `work` in as many threads."""
    results, start = [], threading.Barrier(number)

    def one():
        start.wait()
        results.append(work())

    threads = [threading.Thread(target=one) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == number, "a client failed"
    return results
