"""`python3 lab [TEST …]`: runs the lab's tests, in the order below, over one world.

A TEST is a file, class or method as unittest names them (`test_clients_imap.Clients`). LAB_KEEP=1 keeps the
folder with all logs.
"""

import sys
import time
import unittest

import lab
from process import LabError

# What everything else stands on comes first; the search for secrets comes last, over all logs.
ORDER = [
    "test_upstream_imap", "test_upstream_pop3", "test_upstream_smtp", "test_exchange",
    "test_clients_imap", "test_clients_pop3", "test_clients_smtp",
    "test_bytes_imap", "test_bytes_pop3", "test_bytes_smtp",
    "test_sessions_imap", "test_sessions_pop3", "test_sessions_smtp",
    "test_sending", "test_faults_pop3", "test_faults_smtp", "test_tokens",
    "test_attack_starttls", "test_attack_starttls_local", "test_attack_server", "test_attack_server_tls",
    "test_grants", "test_signin", "test_init", "test_import", "test_errors", "test_check", "test_stores",
    "test_passwords", "test_identities", "test_reload", "test_service",
    "test_attack_client", "test_attack_client_protocols", "test_attack_guess", "test_attack_machine", "test_attack_tls",
    "test_hardening", "test_days_network", "test_days_names", "test_days_stuck", "test_days_clock", "test_soak",
    "test_secrets",
]


class Result(unittest.TextTestResult):
    """Adds to each failure what the programs said during that test."""

    # Of the class, until the first test of it starts.
    _began = 0

    def startTest(self, test):
        self._began = time.time()
        super().startTest(test)

    def _exc_info_to_string(self, err, test):
        return super()._exc_info_to_string(err, test) + lab.world().logs(since=self._began)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:] or ORDER)
    try:
        lab.open_world()
    except LabError as error:
        print(f"The lab does not start: {error}", file=sys.stderr)
        return 1
    try:
        result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(suite)
    finally:
        lab.close_world()
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
