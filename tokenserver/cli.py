"""``roomcast-tokens``: argv and environment -> one call."""

import asyncio
import json
import logging
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Final

import typer

from tokenserver.app import make_app
from tokenserver.callers import api_key_sha256, new_api_key
from tokenserver.dev_policy import BOT_KEY_SHA256, dev_policy
from tokenserver.errors import ConfigurationError
from tokenserver.local import is_loopback
from tokenserver.logs import LogFormat, configure_logging
from tokenserver.policy import Policy
from tokenserver.policy_file import read_policy
from tokenserver.serving import Address, serve
from tokenserver.settings import Environment, require_strong, setting, sfu_url, signing_key

_LOG: Final = logging.getLogger("tokenserver")
_EXIT_CONFIGURATION: Final = 2
_NO_POLICY: Final = (
    "serve needs --policy FILE: a file that says who may ask for tokens (`callers`), for which "
    "rooms (`rooms`) and with which rights (`roles`). For a trial on this machine alone, use --dev"
)
_ANONYMOUS: Final = (
    "the policy has an anonymous caller, and without --dev this version hands no token to "
    "callers that it does not know: give the caller an api_key_sha256 (`roomcast-tokens keys gen`)"
)

cli = typer.Typer(
    name="roomcast-tokens",
    help="Hands out LiveKit tokens to those whom the policy knows.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
keys = typer.Typer(help="API keys with which callers authenticate.", no_args_is_help=True)
cli.add_typer(keys, name="keys")


def main() -> None:
    """Run the command line; what the operator has to put right ends with exit code 2."""
    try:
        cli()
    except ConfigurationError as error:
        print(f"roomcast-tokens: {error}", file=sys.stderr)
        sys.exit(_EXIT_CONFIGURATION)


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    try:
        number = version("roomcast")
    except PackageNotFoundError:
        number = "(not installed, run from a checkout)"
    print(f"roomcast-tokens {number}")
    raise typer.Exit


@cli.callback()
def _common(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Take the options that belong to no command."""


@cli.command("serve")
def _serve(
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The policy; required without --dev.")
    ] = None,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Port 0 takes any that is free.")
    ] = "127.0.0.1:8080",
    dev: Annotated[
        bool, typer.Option("--dev", help="Admit guests without a key, from this machine only.")
    ] = False,
    announce: Annotated[
        bool, typer.Option("--announce", help='Print {"url": …} on stdout when listening.')
    ] = False,
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", help="Stop at the end of standard input.")
    ] = False,
    log_format: Annotated[LogFormat, typer.Option(help="How to write the log.")] = LogFormat.TEXT,
) -> None:
    """Serve tokens and the page.

    Reads LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET; each also as *_FILE.
    """
    configure_logging(log_format)
    address = Address.parse(listen)
    if dev and not is_loopback(address.host):
        raise ConfigurationError("--dev listens on a loopback address only, such as 127.0.0.1:8080")
    rules = _dev_rules(policy, os.environ) if dev else _rules(policy)
    key = signing_key(rules, os.environ)
    if not dev:
        require_strong(key)
    elif key.is_weak:
        _LOG.warning("the API secret is short; that is for --dev only")
    app = make_app(rules, key, sfu_url=sfu_url(rules, os.environ), dev=dev)

    def started(url: str) -> None:
        print(f"roomcast-tokens: listening on {url}", file=sys.stderr)
        if announce:
            print(json.dumps({"url": url}), flush=True)

    asyncio.run(serve(app, address, started=started, until_stdin_closes=until_stdin_closes))


@cli.command("check")
def _check(policy: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Tell what is wrong in a policy file, line by line; exit code 2 if anything is."""
    read_policy(policy)
    print(f"{policy}: the policy is sound")


@keys.command("gen")
def _gen() -> None:
    """Print a new API key for a caller, and the hash of it for the policy."""
    api_key = new_api_key()
    print(f"api key (give it to the caller, it is shown once): {api_key}")
    print(f"api_key_sha256 (for the policy):                   {api_key_sha256(api_key)}")


def _rules(path: Path | None) -> Policy:
    if path is None:
        raise ConfigurationError(_NO_POLICY)
    policy = read_policy(path)
    if policy.anonymous is not None:
        raise ConfigurationError(_ANONYMOUS)
    return policy


def _dev_rules(path: Path | None, environment: Environment) -> Policy:
    if path is not None:
        return read_policy(path)
    server_url = setting(environment, "LIVEKIT_URL")
    if server_url is None:
        raise ConfigurationError("--dev needs LIVEKIT_URL, the address of the SFU for clients")
    return dev_policy(server_url, environment.get(BOT_KEY_SHA256) or None)
