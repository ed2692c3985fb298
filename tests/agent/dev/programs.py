"""Programs for tests to run, written where a test wants them."""

from pathlib import Path


def program(path: Path, *lines: str) -> Path:
    """Write a shell program of these lines and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o700)
    return path
