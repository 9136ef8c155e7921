"""Every grant from a shell without a display: the account is configured, and a real program sends and another
reads. (Signing in has a file of its own.)"""

import os
import stat
import unittest

import lab
from browser import PERSON_PASSWORD
from cases import check_mail_works
from gateway import Account, Gateway
from keys import PASSPHRASE
from raw import RawImap

HANNA = "hanna@lab.test"


class Grants(unittest.TestCase):
    def start(self, client, grant, settings, files=None):
        self.world = lab.world()
        dovecot = self.world.dovecot
        self.account = Account(
            HANNA, client, dovecot.imaps, smtp=dovecot.submissions, grant=grant, settings=settings,
        )
        name = f"{self.id().split('.')[-1]}-{len(Gateway.all)}"
        self.gateway = Gateway(self.world, name, [self.account])
        for file, text in (files or {}).items():
            self.gateway.write(file, text)
        self.enterContext(self.gateway)

    def assert_mail_works(self):
        check_mail_works(self, self.gateway, self.account)

    def log_in(self):
        with RawImap(self.gateway.port("imap")) as client:
            return client.login(HANNA, self.account.password())

    def test_client_credentials_with_a_secret(self):
        self.start("hannas-robot", "client_credentials", {})
        self.assert_mail_works()

    def test_client_credentials_with_a_certificate(self):
        keys = lab.world().keys
        self.start("certificate", "client_credentials", {
            "client_certificate": quoted(keys.certificate), "client_key": quoted(keys.key),
        })
        self.assert_mail_works()

    def test_client_credentials_with_a_certificate_and_key_in_one_file(self):
        self.start("certificate", "client_credentials", {"client_certificate": quoted(lab.world().keys.both)})
        self.assertIn("L1 OK", self.log_in())

    def test_client_credentials_with_an_encrypted_key(self):
        keys = lab.world().keys
        self.start("certificate", "client_credentials", {
            "client_certificate": quoted(keys.certificate), "client_key": quoted(keys.encrypted_key),
            "client_key_passphrase": '{ file = "passphrase" }',
        }, {"passphrase": PASSPHRASE})
        self.assertIn("L1 OK", self.log_in())

    def test_client_credentials_with_a_federated_token(self):
        token = lab.world().keys.federated_token("federated-token")
        self.start("federated", "client_credentials", {"federated_token_file": quoted(token)})
        self.assert_mail_works()

    def test_a_federated_token_is_read_anew_when_it_has_changed(self):
        keys = lab.world().keys
        token = keys.federated_token("changing-token", lifetime=-1)
        self.start("federated", "client_credentials", {"federated_token_file": quoted(token)})
        self.assertIn("L1 NO [UNAVAILABLE]", self.log_in())
        keys.federated_token("changing-token")
        self.assertIn("L1 OK", self.log_in())

    def test_service_account(self):
        key = lab.world().keys.service_account_file(lab.world().token_url)
        self.start("service-account", "service_account", {"service_account_key": quoted(key)})
        self.assert_mail_works()

    def test_password(self):
        self.start("owner-password", "password", {
            "owner_password": '{ file = "owner-password" }', "danger_allow_password_grant": "true",
        }, {"owner-password": PERSON_PASSWORD})
        self.assert_mail_works()

    def test_a_token_from_a_command(self):
        program = lab.world().path("print-token")
        with open(program, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\necho {lab.world().token('hannas-robot')}\n")
        os.chmod(program, stat.S_IRWXU)
        self.start(None, "external", {"grant": '"external"', "token_command": f'["{program}"]'})
        self.assert_mail_works()

    def test_a_token_from_a_file(self):
        self.start(None, "external", {"grant": '"external"', "token_file": '"token"'},
                   {"token": lab.world().token("hannas-robot") + "\n"})
        self.assert_mail_works()


def quoted(path):
    return f'"{path}"'
