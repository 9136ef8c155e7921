"""Under a service manager that the test plays, by its protocols: notifications, sockets that it has opened, and
credentials; with real mail behind."""

import os
import signal
import socket
import unittest

import lab
from clients import message, same_mail
from clients.imap import Curl
from gateway import Account, Gateway
from process import PATIENCE
from world import CLIENT_SECRET

# The socket comes as descriptor 3, and is for the process that the shell becomes.
HAND_OVER = ["bash", "-c", 'export LISTEN_PID=$$; exec "$@" 3<&"$LISTENER"', "bash"]


class Service(unittest.TestCase):
    def setUp(self):
        world = lab.world()
        self.world = world
        self.account = Account("alice@lab.test", "robot", world.dovecot.imaps, settings={
            "client_secret": '{ credential = "client-secret" }',
        })
        self.gateway = Gateway(world, f"{self.id().split('.')[-1]}-{len(Gateway.all)}", [self.account])
        # The account's own line is the one that counts here.
        self.gateway.rewrite(f'client_secret = {{ file = "{self.gateway.folder}/client-secret" }}\n', "")
        credentials = os.path.join(self.gateway.folder, "credentials")
        os.mkdir(credentials, 0o700)
        self.gateway.write("credentials/client-secret", CLIENT_SECRET)
        os.environ["CREDENTIALS_DIRECTORY"] = credentials
        self.addCleanup(os.environ.pop, "CREDENTIALS_DIRECTORY")
        self.gateway.command("account", "password", self.account.login, stdin=self.account.password())
        self.notifications = self.enterContext(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.notifications.settimeout(PATIENCE)
        self.told = os.path.join(self.gateway.folder, "notify")
        self.notifications.bind(self.told)
        self.addCleanup(self.gateway.__exit__, None, None, None)

    def wait_for(self, assignment):
        """Reads notifications up to one with this assignment."""
        while True:
            lines = self.notifications.recv(65536).decode().splitlines()
            if any(line.startswith(assignment) for line in lines):
                return lines

    def test_ready_reloading_watchdog_and_stopping(self):
        self.gateway.start(variables={"NOTIFY_SOCKET": self.told, "WATCHDOG_USEC": "1000000"})
        self.wait_for("READY=1")
        self.wait_for("WATCHDOG=1")
        os.kill(self.gateway.pid, signal.SIGHUP)
        self.assertTrue(any(line.startswith("MONOTONIC_USEC=") for line in self.wait_for("RELOADING=1")))
        self.wait_for("READY=1")
        self.assertEqual(self.gateway.stop(), 0)
        self.wait_for("STOPPING=1")

    def test_mail_through_a_socket_that_was_handed_over(self):
        listener = self.enterContext(socket.create_server(("127.0.0.1", self.gateway.port("imap"))))
        self.gateway.start(
            through=HAND_OVER, pass_fds=[listener.fileno()],
            variables={"LISTENER": str(listener.fileno()), "LISTEN_FDS": "1", "NOTIFY_SOCKET": self.told},
        )
        self.wait_for("READY=1")
        client = Curl(
            self.world, self.world.path(f"{self.gateway.name}-clients"), self.gateway.port("imap"), "none",
            self.account.login, self.account.password(),
        )
        mail = message(self.gateway.name)
        client.append(mail)
        self.assertTrue(same_mail(client.fetch(self.gateway.name), mail))
        # The gateway has gone, and the port is still there.
        self.assertEqual(self.gateway.stop(), 0)
        socket.create_connection(listener.getsockname()).close()
