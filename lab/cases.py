"""What the tests of real programs share: which setting of a program meets which port of ours."""

PORTS = {"none": ("none", "auto"), "starttls": ("starttls", "auto"), "implicit": ("implicit", "auto")}
MODES = ("none", "starttls", "implicit", "auto")


def cases():
    """(setting of the program, mode of the port)."""
    return [(mode, port) for mode, ports in PORTS.items() for port in ports]
