"""What runs that were killed have left on the machine. Each name holds the id of its process; only what belongs to none is
removed, since another lab may be running.
"""

import contextlib
import os
import re
import shutil

from process import run

# As `netns.Namespace` names them, and libfaketime: with the process id of one that is long gone, `faketime` refuses to start.
NAMESPACE = re.compile(r"saslgate-(\d+)-\d+-")
FAKETIME = re.compile(r"(?:sem\.faketime_sem|faketime_shm)_(\d+)$")


def remove():
    for path in _of_nobody("/run/netns", NAMESPACE):
        run(["ip", "netns", "delete", os.path.basename(path)])
    for path in _of_nobody("/etc/netns", NAMESPACE):
        shutil.rmtree(path, ignore_errors=True)
    for path in _of_nobody("/dev/shm", FAKETIME):
        # Another user's, or another lab was faster.
        with contextlib.suppress(OSError):
            os.remove(path)


def _of_nobody(folder, form):
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            owner = form.match(name)
            if owner and not os.path.exists(f"/proc/{owner[1]}"):
                yield os.path.join(folder, name)
