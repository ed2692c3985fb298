"""Lets a program live only as long as the process that wants it.

Run by its path (``python -I -S watchdog.py PROGRAM ARGUMENT...``), so that it starts in a few
milliseconds and needs nothing of ours. On stdout it writes one line, the program's pid or why it
doesn't run. Each byte that comes on stdin is a signal's number, to be passed on. The end of stdin
comes however the other side dies, kill -9 included: then the program is killed, and with it what
it started.

A pipe rather than PR_SET_PDEATHSIG, which fires when the *thread* ends that started the program.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading


def main(argv: list[str]) -> int:
    """Run ``argv`` to its end; return its exit status as a shell would give it."""
    try:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True
        )
    except OSError as error:
        os.write(1, f"{error.strerror}\n".encode())
        return 127
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: _kill(child))
    os.write(1, b"%d\n" % child.pid)
    os.close(1)
    threading.Thread(target=_obey, args=(child,), daemon=True).start()
    status = child.wait()
    return status if status >= 0 else 128 - status


def _obey(child: subprocess.Popen[bytes]) -> None:
    while command := os.read(0, 1):
        child.send_signal(command[0])
    _kill(child)


def _kill(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
