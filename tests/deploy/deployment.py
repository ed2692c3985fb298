"""What lies in ``deploy/``, read the way its programs read it."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
HOST_FILES = (".env", "secrets", "data")  # of the host that the checkout may be running on
ANSWERS = {
    "DOMAIN": "rtc.example.com",
    "TURN_DOMAIN": "turn.example.com",
    "PUBLIC_IP": "127.0.0.1",
    "HOST_IP": "127.0.0.1",
    "ROOM": "lobby",
}

Yaml = Any  # whatever a YAML document holds; the rules say what it has to be


@dataclass(frozen=True)
class Deployment:
    """The files in ``folder``; each is parsed when somebody asks for it."""

    folder: Path

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    @cached_property
    def compose(self) -> Yaml:
        return yaml.safe_load(self.text("compose.yaml"))

    @cached_property
    def services(self) -> dict[str, Yaml]:
        services: dict[str, Yaml] = self.compose["services"]
        return services

    @cached_property
    def sfu(self) -> Yaml:
        return yaml.safe_load(self.text("livekit.yaml"))

    @cached_property
    def policy(self) -> Yaml:
        return yaml.safe_load(self.text("policy.yaml"))

    @cached_property
    def relay(self) -> dict[str, list[str]]:
        """turnserver.conf: the values of each option, in order; a flag has one empty value."""
        options: dict[str, list[str]] = {}
        for line in self.text("turnserver.conf").splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                name, _, value = line.partition("=")
                options.setdefault(name, []).append(value)
        return options

    @cached_property
    def answers(self) -> set[str]:
        """The names that ``.env`` is to have."""
        return set(re.findall(r"^([A-Z_]+)=", self.text(".env.example"), re.MULTILINE))

    @cached_property
    def owner(self) -> str:
        """Whom make-secrets gives its files to, UID:GID."""
        return _only(r"^owner=(\S+)$", self.text("make-secrets"))

    @cached_property
    def made(self) -> set[str]:
        """The files that make-secrets puts into secrets/."""
        script = self.text("make-secrets")
        filled_in = _only(r"^for file in (.+); do$", script).split()
        return {*re.findall(r"^keep (\S+)", script, re.MULTILINE), *filled_in}


def copy_of_deploy(to: Path) -> Deployment:
    """Copy the project's own files, without those of a host that runs from this checkout."""
    folder = to / "deploy"
    shutil.copytree(DEPLOY, folder, ignore=shutil.ignore_patterns(*HOST_FILES))
    return Deployment(folder)


def make_secrets(folder: Path, **answers: str) -> subprocess.CompletedProcess[str]:
    """Answer in ``.env`` and run make-secrets, for ourselves instead of the containers' user."""
    lines = (f"{name}={value}\n" for name, value in {**ANSWERS, **answers}.items())
    (folder / ".env").write_text("".join(lines))
    return run_make_secrets(folder, "--owner", f"{os.getuid()}:{os.getgid()}")


def run_make_secrets(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [folder / "make-secrets", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def _only(pattern: str, text: str) -> str:
    [found] = re.findall(pattern, text, re.MULTILINE)
    return str(found)
