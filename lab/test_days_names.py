"""Bad days of names: slow, failing and changing answers, and addresses at which nobody is.

What takes too long is not measured here with a clock: the gateway is given less time than it would take."""

import signal
import unittest
from concurrent.futures import ThreadPoolExecutor

import dns
import lab
import netns
from dns import A, NEVER, NOTHING, Says
from house import House, MAIL, MAIL6, NOBODY, NOBODY6, OTHER
from netns import DOMAIN
from process import wait_until

# A dead address costs a quarter of a second; a resolver that waits for both families, fifteen seconds.
SETTINGS = '[deadlines]\nfailed_login_delay = "10ms"\nconnect = "4s"\ntoken = "6s"\n'
# Nobody's patience ends in the middle of it.
PATIENT = """[limits]
connections_per_address = 200
[deadlines]
login = "1h"
verdict = "1h"
connect = "1h"
token = "5m"
failed_login_delay = "10ms"
"""


class Names(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if reason := netns.why_not():
            raise unittest.SkipTest(reason)

    def setUp(self):
        self.house = House(self, lab.world())

    def account(self, name, says, **settings):
        """One whose server's name is answered by `says`."""
        self.house.names.zone[f"{name}.{DOMAIN}"] = says
        return self.house.account(name, **settings)

    def test_one_dead_address_costs_no_login(self):
        v4 = lambda *addresses: lambda kind: Says(*addresses) if kind == A else NOTHING
        mixed = lambda four, six: lambda kind: Says(four) if kind == A else Says(six)
        accounts = [
            self.account("dead-first", v4(NOBODY, MAIL)),
            self.account("dead-last", v4(MAIL, NOBODY)),
            self.account("dead-many", v4(NOBODY, "10.77.0.98", "10.77.0.97", MAIL)),
            self.account("dead-v6", mixed(MAIL, NOBODY6)),
            self.account("dead-v4", mixed(NOBODY, MAIL6)),
            # What drops one of the two questions, as some home routers do.
            self.account("dropped-v6", lambda kind: Says(MAIL) if kind == A else NEVER),
            self.account("dropped-v4", lambda kind: NEVER if kind == A else Says(MAIL6)),
            self.account("slow-v6", lambda kind: Says(MAIL) if kind == A else Says(MAIL6, after=3)),
        ]
        # The same at the token endpoint.
        for name, says in (("token-dead-v4", v4(NOBODY, MAIL)), ("token-dead-v6", mixed(MAIL, NOBODY6))):
            self.house.names.zone[f"at-{name}.{DOMAIN}"] = says
            self.house.names.set(f"{name}.{DOMAIN}", MAIL)
            accounts.append(self.house.account(name, token_host=f"at-{name}.{DOMAIN}"))
        self.house.open(accounts, SETTINGS)
        with ThreadPoolExecutor(len(accounts)) as pool:
            answers = dict(zip((account.login for account in accounts), pool.map(self.house.log_in, accounts)))
        self.assertEqual({login: answer for login, answer in answers.items() if "L1 OK" not in answer}, {})

    def test_failing_names_are_passing_faults_and_a_changed_one_is_followed(self):
        faults = {
            "servfail": lambda kind: Says(error=dns.SERVFAIL), "unknown": lambda kind: Says(error=dns.NXDOMAIN),
            "empty": lambda kind: NOTHING, "silent": lambda kind: NEVER,
        }
        accounts = [self.account(name, says) for name, says in faults.items()]
        token = self.house.account("token", token_host=f"at-of-token.{DOMAIN}")
        self.house.names.set(f"token.{DOMAIN}", MAIL)
        moving = self.account("moving", lambda kind: Says(MAIL) if kind == A else NOTHING)
        gateway = self.house.open([*accounts, token, moving], SETTINGS)
        with ThreadPoolExecutor(8) as pool:
            for answer in pool.map(self.house.log_in, [*accounts, token]):
                self.assertIn("L1 NO [UNAVAILABLE]", answer)
        self.assertIn("its name cannot be resolved", gateway.log())
        self.assertIn("L1 OK", self.house.log_in(moving))
        for name in (*faults, "at-of-token"):
            self.house.names.set(f"{name}.{DOMAIN}", MAIL)
        self.house.names.set(f"moving.{DOMAIN}", OTHER)
        before = len(self.house.upstream.sessions)
        self.assertIn("L1 OK", self.house.log_in(moving))
        self.assertEqual([it.address for it in self.house.upstream.sessions[before:]], [OTHER])
        for account in (*accounts, token):
            wait_until(lambda: "L1 OK" in self.house.log_in(account), f"a login of {account.login}")

    def test_a_name_that_is_never_answered_does_not_hold_up_a_stop(self):
        self.house = House(self, lab.world(), "options timeout:30 attempts:1")
        stuck = self.account("stuck", lambda kind: NEVER)
        gateway = self.house.open([stuck], SETTINGS)
        client = self.house.client()
        client.send(f'L1 LOGIN {stuck.login} "{stuck.password()}"\r\n')
        wait_until(lambda: "a token is at hand" in gateway.log(), "a login that looks a name up")
        gateway.process.send(signal.SIGTERM)
        # Well before the system's resolver gives up.
        self.assertEqual(gateway.process.wait(15), 0)

    def test_a_name_that_is_never_answered_delays_no_other(self):
        answered = lambda kind: Says(MAIL) if kind == A else NOTHING
        stuck = self.account("stuck", answered, connection_limit="200")
        quick = self.account("quick", answered)
        at_token = self.house.account("at-token", token_host=f"stuck-token.{DOMAIN}")
        self.house.names.zone[f"stuck-token.{DOMAIN}"] = lambda kind: NEVER
        self.house.names.set(f"at-token.{DOMAIN}", MAIL)
        gateway = self.house.open([stuck, quick, at_token], PATIENT)
        # From here on its password is known, and costs nobody a second.
        self.assertIn("L1 OK", self.house.log_in(stuck))
        self.assertIn("L1 OK", self.house.log_in(quick))
        before = threads(gateway.pid)
        self.house.names.zone[f"stuck.{DOMAIN}"] = lambda kind: NEVER
        waiting = []
        for account in [stuck] * 100 + [at_token] * 2:
            client = self.house.client()
            client.send(f'L1 LOGIN {account.login} "{account.password()}"\r\n')
            waiting.append(client)
        # Two are those of before.
        wait_until(lambda: gateway.log().count("a token is at hand") >= 102, "a hundred logins that look a name up")
        self.assertIn("L1 OK", self.house.log_in(quick))
        # All of them share a few questions of each name, and with them a few threads.
        self.assertLess(threads(gateway.pid) - before, 50)
        # The others are still waiting, and are let in when there is an answer.
        self.assertNotIn("login not possible", gateway.log())
        self.house.names.zone |= {f"{name}.{DOMAIN}": answered for name in ("stuck", "stuck-token")}
        for client in waiting:
            self.assertIn("L1 OK", client.answer("L1"))


def threads(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("Threads:"))
