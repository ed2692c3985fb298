"""Installs the system packages of the end-to-end tests, if it may; else says what is missing."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system_packages import missing_packages

# Debian asks it before it starts a service that was just installed; ours are not to run.
POLICY = Path("/usr/sbin/policy-rc.d")


def main() -> None:
    """Install what is missing where that is possible, and say what is still missing then."""
    missing = missing_packages()
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"installing for the end-to-end tests: {' '.join(missing)}", flush=True)
        install(missing)
        missing = missing_packages()
    if missing:
        print(
            "end-to-end tests that need one of these are skipped: "
            f"{' '.join(missing)} (Debian and Ubuntu: apt-get install {' '.join(missing)})"
        )


def install(packages: list[str]) -> None:
    """Install each package that apt knows; one that it doesn't know keeps none of the others."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with no_services():
        subprocess.run(["apt-get", "update", "-qq"], env=quiet, check=False)
        for package in packages:
            subprocess.run(
                ["apt-get", "install", "-qq", "--yes", "--no-install-recommends", package],
                env=quiet,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                check=False,
            )


@contextmanager
def no_services() -> Iterator[None]:
    """Keep packages from starting their services, unless the machine has a policy of its own."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
