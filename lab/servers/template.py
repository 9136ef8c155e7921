"""Configuration files of the servers, filled in and put where the server reads them."""

import os
import shutil
import string

HERE = os.path.dirname(os.path.abspath(__file__))


def fill(source, target, names):
    """Writes `source` of this folder to the path `target` with its `$names` filled in."""
    with open(os.path.join(HERE, source), encoding="utf-8") as file:
        text = string.Template(file.read()).substitute(names)
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(target, 0o644)


def program(name):
    """The path of a daemon, which lies where a user's PATH may not look; None where it is missing."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
