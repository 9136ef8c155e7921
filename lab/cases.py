"""What the tests of real programs share: which setting of a program meets which port of ours, and
whether an account works."""

from clients import message, same_mail
from clients.imap import Curl as ImapCurl
from clients.smtp import Curl as SmtpCurl

PORTS = {"none": ("none", "auto"), "starttls": ("starttls", "auto"), "implicit": ("implicit", "auto")}
MODES = ("none", "starttls", "implicit", "auto")


def cases():
    """(setting of the program, mode of the port)."""
    return [(mode, port) for mode, ports in PORTS.items() for port in ports]


def check_mail_works(test, gateway, account):
    """A real program sends and another one reads, with the daemon that ran all the time."""
    world, message_id = gateway.world, gateway.name
    folder = world.path(f"{gateway.name}-clients")
    login = "none", account.login, account.password()
    SmtpCurl(world, folder, gateway.port("smtp"), *login).send(message_id)
    test.assertTrue(any(kept.message_id.startswith(message_id) for kept in list(world.sink.messages)))
    curl = ImapCurl(world, folder, gateway.port("imap"), *login)
    curl.append(message(message_id))
    test.assertTrue(same_mail(curl.fetch(message_id), message(message_id)))
