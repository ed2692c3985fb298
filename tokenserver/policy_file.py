"""Reads a policy file and says, for each mistake, on which line it stands."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError

from tokenserver.errors import ConfigurationError, Mistake, PolicyError
from tokenserver.policy import Policy

_MAX_BYTES: Final = 1024 * 1024
_NO_ALIASES: Final = (
    "aliases (*name) are not allowed, so that each rule can be read where it stands"
)
_SENTENCES: Final = {
    "extra_forbidden": "is not a key that a policy may have here",
    "missing": "is missing",
}


def read_policy(path: Path) -> Policy:
    """Return the policy in ``path``.

    Raises :exc:`PolicyError` if what the file says cannot be used, and another
    :exc:`ConfigurationError` if the file cannot be read at all.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        msg = f"can't read the policy file {path}: {error.strerror}"
        raise ConfigurationError(msg) from None
    if len(raw) > _MAX_BYTES:
        msg = f"the policy file {path} is larger than {_MAX_BYTES} bytes"
        raise ConfigurationError(msg)
    return parse_policy(raw, path)


def parse_policy(raw: bytes, path: Path) -> Policy:
    """Return the policy that the YAML document ``raw`` holds; ``path`` is for the messages."""
    root = _compose(raw, path)
    doubles = tuple(_doubles(root, ""))
    if doubles:
        raise PolicyError(path, doubles)
    # Through JSON, because only there does the strict mode take a list for a tuple.
    document = json.dumps(_construct(root, path), default=str)
    try:
        return Policy.model_validate_json(document)
    except ValidationError as error:
        raise PolicyError(path, tuple(_mistakes(error, root))) from None


def _compose(raw: bytes, path: Path) -> yaml.Node:
    try:
        text = raw.decode()
        for event in yaml.parse(text, yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise PolicyError(path, (Mistake(_line(event.start_mark), "", _NO_ALIASES),))
        root = yaml.compose(text, yaml.SafeLoader)
    except UnicodeDecodeError:
        raise PolicyError(path, (Mistake(1, "", "the file is not UTF-8"),)) from None
    except (yaml.YAMLError, RecursionError) as error:
        problem = getattr(error, "problem", None) or "the nesting is too deep"
        line = _line(getattr(error, "problem_mark", None))
        raise PolicyError(path, (Mistake(line, "", f"is not YAML: {problem}"),)) from None
    if not isinstance(root, yaml.MappingNode):
        raise PolicyError(path, (Mistake(1, "", "the file must be a mapping of keys"),))
    return root


def _construct(root: yaml.Node, path: Path) -> object:
    loader = yaml.SafeLoader("")
    try:
        document: object = loader.construct_document(root)
    except (yaml.YAMLError, ValueError) as error:
        line = _line(getattr(error, "problem_mark", None))
        text = getattr(error, "problem", None) or "holds a value that cannot be read"
        raise PolicyError(path, (Mistake(line, "", text),)) from None
    finally:
        loader.dispose()
    return document


def _line(mark: object) -> int:
    line: int = getattr(mark, "line", 0)
    return line + 1


def _doubles(node: yaml.Node, field: str) -> Iterator[Mistake]:
    """Find keys that stand twice in one mapping: YAML would silently take the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                yield Mistake(key.start_mark.line + 1, field, "has a key that is not plain text")
                continue
            name = f"{field}.{key.value}" if field else str(key.value)
            if key.value in seen:
                yield Mistake(key.start_mark.line + 1, name, "stands here for the second time")
            seen.add(key.value)
            yield from _doubles(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _doubles(item, f"{field}[{index}]")


def _mistakes(error: ValidationError, root: yaml.Node) -> Iterator[Mistake]:
    told: set[tuple[int, str]] = set()
    for detail in error.errors(include_input=False, include_url=False):
        line, field = _place(root, detail["loc"])
        text = _SENTENCES.get(detail["type"], detail["msg"].removeprefix("Value error, "))
        if (line, field) not in told:
            told.add((line, field))
            yield Mistake(line, field, text)


def _place(root: yaml.Node, location: tuple[int | str, ...]) -> tuple[int, str]:
    """Follow ``location`` as far as the file goes; what is missing is reported at its parent."""
    node, line, field = root, root.start_mark.line + 1, ""
    for step in location:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == step), None)
            field = f"{field}.{step}" if field else str(step)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            field, node = f"{field}[{step}]", node.value[step]
            line = node.start_mark.line + 1
        else:  # the name of an alternative of a union, which is not in the file
            break
    return line, field
