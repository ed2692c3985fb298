"""What a test leaves behind: threads, child processes, open files and sockets, stray files."""

import gc
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

_SELF = Path("/proc/self")
_PATIENCE_S = 3.0  # threads and children end a moment after what they served
_OF_PYTHON = (b"multiprocessing.resource_tracker", b"multiprocessing.forkserver")


@dataclass(frozen=True)
class Held:
    """What this process has at one moment."""

    threads: frozenset[threading.Thread]
    children: frozenset[int]
    files: frozenset[tuple[str, str]]  # descriptor and what it leads to
    folder: frozenset[str]


def held() -> Held:
    return Held(
        frozenset(thread for thread in threading.enumerate() if not _is_native(thread)),
        frozenset(_children()),
        frozenset(_files()),
        frozenset(entry.name for entry in Path.cwd().iterdir() if entry.is_file()),
    )


def left_over(before: Held, patience_s: float = _PATIENCE_S) -> list[str]:
    """Return a phrase for each thing that is there now, was not before, and does not go away."""
    deadline = time.monotonic() + patience_s
    while (found := _added(before, held())) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    return found


def _added(before: Held, now: Held) -> list[str]:
    return [
        *(f"thread {thread.name}" for thread in now.threads - before.threads),
        *(f"process {pid} {_command(pid)!r}" for pid in now.children - before.children),
        *(f"descriptor {number} -> {target}" for number, target in now.files - before.files),
        *(f"file {name} in {Path.cwd()}" for name in now.folder - before.folder),
    ]


def _is_native(thread: threading.Thread) -> bool:
    """Whether it belongs to a library, and only called into Python once: to log, say."""
    return isinstance(thread, threading._DummyThread)


def _children() -> set[int]:
    """Return our children's pids, those aside that Python keeps for itself once it needs them."""
    pids: set[int] = set()
    for task in (_SELF / "task").glob("*/children"):
        try:
            pids.update(map(int, task.read_text().split()))
        except OSError:  # the thread has ended
            continue
    return {pid for pid in pids if not any(name in _command(pid) for name in _OF_PYTHON)}


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").strip()
    except OSError:
        return b""


def _files() -> set[tuple[str, str]]:
    """Return our open files and sockets; event loops show by their socket pairs."""
    found: set[tuple[str, str]] = set()
    for name in os.listdir(_SELF / "fd"):  # noqa: PTH208 - one string each, this runs all the time
        try:
            target = os.readlink(_SELF / "fd" / name)  # noqa: PTH115
        except OSError:  # that of the listing itself
            continue
        if not target.startswith(("anon_inode:", "/dev/")):
            found.add((name, target))
    return found
