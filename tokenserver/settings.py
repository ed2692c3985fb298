"""What the environment says: the SFU's address and the key that signs, each also from a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import yaml

from tokenserver.errors import ConfigurationError
from tokenserver.issuer import SECRET_BYTES, SigningKey
from tokenserver.policy import Keys, Policy

Environment = Mapping[str, str]

_SECRET_FILE_BYTES: Final = 64 * 1024
_WANTED: Final = (
    "set LIVEKIT_API_KEY and LIVEKIT_API_SECRET (or LIVEKIT_API_KEY_FILE and "
    "LIVEKIT_API_SECRET_FILE) to a key that the SFU knows"
)


def setting(environment: Environment, name: str) -> str | None:
    """Return the variable ``name``, or what the file in ``<name>_FILE`` holds; None if unset."""
    value, file = environment.get(name), environment.get(f"{name}_FILE")
    if value and file:
        msg = f"{name} and {name}_FILE are both set: unset one of them"
        raise ConfigurationError(msg)
    return _read(Path(file), f"{name}_FILE").strip() or None if file else value or None


def signing_key(policy: Policy, environment: Environment) -> SigningKey:
    """Return the key that signs: the active one of ``policy.keys``, else the environment's."""
    if policy.keys is not None:
        return _from_file(policy.keys)
    name = setting(environment, "LIVEKIT_API_KEY")
    secret = setting(environment, "LIVEKIT_API_SECRET")
    if name is None or secret is None:
        msg = f"there is no key to sign tokens with: {_WANTED}"
        raise ConfigurationError(msg)
    return SigningKey(name, secret)


def sfu_url(policy: Policy, environment: Environment) -> str:
    """Return how this server reaches the SFU: LIVEKIT_URL, else what clients get."""
    url = setting(environment, "LIVEKIT_URL") or policy.server_url
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname:
        raise ConfigurationError("LIVEKIT_URL must be an address such as ws://127.0.0.1:7880")
    return url


def require_strong(key: SigningKey) -> None:
    """Refuse a secret that someone who holds one token could find by trying."""
    if key.is_weak:
        msg = (
            f"the secret of the key {key.name} is shorter than {SECRET_BYTES} bytes and can be "
            "guessed from any token: give the SFU and this server a longer one, "
            "such as `openssl rand -base64 36` prints"
        )
        raise ConfigurationError(msg)


def _from_file(keys: Keys) -> SigningKey:
    try:
        document: object = yaml.safe_load(_read(keys.file, "keys.file"))
    except yaml.YAMLError:
        document = None  # the parser's message would quote the file
    if not isinstance(document, dict) or not all(
        isinstance(part, str) and part for pair in document.items() for part in pair
    ):
        msg = f"the key file {keys.file} must hold one `name: secret` on each line"
        raise ConfigurationError(msg)
    if keys.active not in document:
        msg = f"the key file {keys.file} has no key of the name that `keys.active` gives"
        raise ConfigurationError(msg)
    return SigningKey(keys.active, document[keys.active])


def _read(path: Path, named_by: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_SECRET_FILE_BYTES + 1)
        if len(raw) > _SECRET_FILE_BYTES:
            msg = f"{path}, named by {named_by}, is too large to hold a secret"
            raise ConfigurationError(msg)
        return raw.decode()
    except OSError as error:
        msg = f"can't read {path}, named by {named_by}: {error.strerror}"
        raise ConfigurationError(msg) from None
    except UnicodeDecodeError:
        msg = f"{path}, named by {named_by}, is not UTF-8"
        raise ConfigurationError(msg) from None
