"""What the operator of the token server has to put right.

* :exc:`ConfigurationError` — environment, flags, key files or policy are wrong
    * :exc:`PolicyError` — the policy file has mistakes, each with its place

A refused request is no exception: see :mod:`tokenserver.decision` and :mod:`tokenserver.problems`.
"""

from dataclasses import dataclass
from pathlib import Path


class ConfigurationError(Exception):
    """Raised before the server listens; its text tells what to change."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong in a file: the line (from 1), the field as a dotted path."""

    line: int
    field: str
    text: str


class PolicyError(ConfigurationError):
    """Raised when a policy file cannot be used."""

    def __init__(self, path: Path, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__(path, mistakes)
        self.path = path
        self.mistakes = mistakes

    def __str__(self) -> str:
        return "\n".join(
            f"{self.path}:{mistake.line}: {f'{mistake.field}: ' if mistake.field else ''}"
            f"{mistake.text}"
            for mistake in self.mistakes
        )
