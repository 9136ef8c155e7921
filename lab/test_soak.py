"""Many accounts whose tokens live for seconds, with an endpoint that fails at random: in the end everybody is
signed in, and no client has ever heard of a wrong password.

SASLGATE_SOAK_SECONDS sets how long (60 by default).
"""

import os
import random
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import lab
from gateway import Account, Gateway
from process import wait_until
from raw import RawImap
from test_errors import status
from upstream.imap import RecordingImap

SECONDS = float(os.environ.get("SASLGATE_SOAK_SECONDS", "60"))
# The provider has acted on none of these.
FAULTS = ("unavailable", "nonsense", "reset")
CLIENTS = 8


class Soak(unittest.TestCase):
    def test_everybody_is_signed_in_at_the_end(self):
        world, seed = lab.world(), random.randrange(2**32)
        upstream = self.enterContext(RecordingImap(world))
        accounts = [
            Account(f"soak-{number}@lab.test", f"soak-{number}", upstream.port, grant="refresh_token")
            for number in range(lab.SOAKED)
        ]
        gateway = Gateway(world, "soak", accounts)
        self.prepare(gateway)
        self.addCleanup(gateway.__exit__, None, None, None)
        gateway.start()
        answers, end = [], time.monotonic() + SECONDS
        threads = [
            threading.Thread(target=self.log_in_at_random, args=(gateway, random.Random(seed + n), end, answers))
            for n in range(CLIENTS)
        ]
        threads.append(threading.Thread(target=self.break_at_random, args=(world, random.Random(seed - 1), end)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with self.subTest(seed=seed):
            self.judge(world, gateway, accounts, answers)

    def judge(self, world, gateway, accounts, answers):
        wrong = [answer for answer in answers if "AUTHENTICATIONFAILED" in answer]
        died = [answer for answer in answers if "[ALERT]" in answer]
        self.assertEqual((wrong, died), ([], []))
        good = sum("L1 OK" in answer for answer in answers)
        refreshes = sum(world.requests(account.client)["granted"] for account in accounts)
        print(f"\n  {len(answers)} logins, {len(answers) - good} in vain, {refreshes} refreshes", end=" ", flush=True)
        self.assertGreater(good, len(answers) // 2)
        self.assertGreater(refreshes, len(accounts))
        for account in accounts:
            wait_until(lambda: "L1 OK" in log_in(gateway, account), f"a login of {account.login}", 60)
        code, report = status(gateway)
        states = {entry["login"]: entry["state"] for entry in report["accounts"] if entry["state"] != "ok"}
        self.assertEqual((states, code), ({}, 0))

    def prepare(self, gateway):
        def one(account):
            gateway.command("account", "password", account.login, stdin=account.password())
            gateway.consent(account)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(one, gateway.accounts))

    def log_in_at_random(self, gateway, chance, end, answers):
        while time.monotonic() < end:
            answers.append(log_in(gateway, chance.choice(gateway.accounts)))

    def break_at_random(self, world, chance, end):
        """The next requests of some application fail."""
        while time.monotonic() < end:
            client = f"soak-{chance.randrange(lab.SOAKED)}"
            world.provider("fault", client=client, kind=chance.choice(FAULTS), times=chance.randrange(1, 4))
            time.sleep(1)
        for number in range(lab.SOAKED):
            world.provider("fault", client=f"soak-{number}", kind="none", times=0)


def log_in(gateway, account):
    with RawImap(gateway.port("imap")) as client:
        return client.login(account.login, account.password())
