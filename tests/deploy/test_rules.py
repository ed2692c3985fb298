"""The files of ``deploy/`` keep the rules, and typical mistakes in them are noticed."""

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.deploy.deployment import DEPLOY, Deployment, copy_of_deploy, make_secrets
from tests.deploy.rules import RULES, Rule, images_are_pinned, made_files_are_private


class Slip(NamedTuple):
    """A mistake: ``old`` in ``file`` has become ``new``, and a sentence with ``told`` says so."""

    file: str
    old: str
    new: str
    told: str


COMPOSE, SFU, RELAY, DOCKERFILE = "compose.yaml", "livekit.yaml", "turnserver.conf", "Dockerfile"
BOT_URL = "ROOMCAST_TOKEN_URL:"

SLIPS = {
    "restrat": Slip(COMPOSE, "  restart:", "  restrat:", "restrat"),
    "latest": Slip(COMPOSE, "livekit-server:v1.13.5", "livekit-server:latest", "no exact version"),
    "no tag": Slip(COMPOSE, "caddy:2.11.4-alpine", "caddy", "no exact version"),
    "another SFU": Slip(COMPOSE, "server:v1.13.5", "server:v1.13.7", "tested is"),
    "an open coturn": Slip(COMPOSE, "coturn:4.17.0-r0", "coturn:4.6.1-r0", "denied peers"),
    "the last release": Slip(COMPOSE, "roomcast-bot:0.1.0", "roomcast-bot:0.0.9", "bot is 0.0.9"),
    "loose base": Slip(DOCKERFILE, "python:3.11.14-slim-bookworm", "python:3", "no exact version"),
    "base by name": Slip(DOCKERFILE, "FROM ${NODE} AS", "FROM node AS", "no ARG and stage"),
    "root": Slip(DOCKERFILE, "USER 10001:10001", "USER root", "USER is"),
    "shell form": Slip(DOCKERFILE, 'ENTRYPOINT ["roomcast"]', "ENTRYPOINT roomcast", "DL3025"),
    "no health": Slip(COMPOSE, "    healthcheck:", "    x-health:", "no healthcheck"),
    "no limit": Slip(COMPOSE, "    mem_limit: 512m", "    shm_size: 1m", "coturn has no mem_limit"),
    "writable": Slip(COMPOSE, "read_only: true", "read_only: false", "may write to its image"),
    "capabilities": Slip(COMPOSE, "cap_drop: [ALL]", "cap_drop: [CHOWN]", "keeps capabilities"),
    "secret in environment": Slip(
        COMPOSE, BOT_URL, f"LIVEKIT_API_SECRET: x\n      {BOT_URL}", "in its environment"
    ),
    "secret in a file": Slip(SFU, "key_file: ", f"keys: {{k: {'ab' * 20}}}\n#", "like a secret"),
    "secret not mounted": Slip(COMPOSE, "    secrets: [bot_token_key]\n", "", "does not get"),
    "key not mounted": Slip(
        COMPOSE, "[livekit_keys.yaml, turn_secret]", "[livekit_keys.yaml]", "turn_secret, which"
    ),
    "secret of nobody": Slip(COMPOSE, "./secrets/bot_token_key", "./bot.key", "does not make"),
    "taken port": Slip(RELAY, "listening-port=3478", "listening-port=7881", "7881"),
    "range over a port": Slip(RELAY, "min-port=49152", "min-port=3000", "UDP port 3478"),
    "open token server": Slip(COMPOSE, "127.0.0.1:8080:", "8080:", "to the world"),
    "open signalling": Slip(SFU, "  - 127.0.0.1\n", "  - 0.0.0.0\n", "without TLS"),
    "bridged SFU": Slip(COMPOSE, "    network_mode: host\n    configs", "    configs", "network"),
    "moved SFU": Slip(SFU, "port: 7880", "port: 7890", "port 7890"),
    "moved gateway": Slip(COMPOSE, "gateway: 172.30.77.1", "gateway: 172.30.78.1", "172.30.78.1"),
    "moved tokens": Slip(COMPOSE, "0.0.0.0:8080", "0.0.0.0:8081", "tokens:8081"),
    "moved relay": Slip(RELAY, "tls-listening-port=5349", "tls-listening-port=5350", "over tls"),
    "comment behind a flag": Slip(RELAY, "\nfingerprint", "\nfingerprint # why", "a comment"),
    "lasting passwords": Slip(RELAY, "\nfingerprint", "\nlt-cred-mech", "opens the relay"),
    "relay to anyone": Slip(RELAY, "denied-peer-ip=0", "#denied-peer-ip=0", "denied-peer-ip is"),
    "relay to the neighbours": Slip(
        RELAY, "allowed-peer-ip=${HOST_IP}", "allowed-peer-ip=10.0.0.0-10.255.255.255", "peers"
    ),
    "no certificate": Slip(RELAY, "\ncert=", "\n#cert=", "cert is not"),
    "another issuer": Slip("Caddyfile", "acme-v02.api.", "acme-staging-v02.api.", "where Caddy"),
    "closed port": Slip(RELAY, "max-port=50151", "max-port=50251", "firewall lacks"),
    "unasked answer": Slip(".env.example", "\nROOM=", "\nHALL=", "HALL"),
}


def mistakes(deploy: Deployment, *rules: Rule) -> list[str]:
    return [sentence for rule in rules or RULES for sentence in rule(deploy)]


def test_the_files_of_the_project_keep_every_rule() -> None:
    assert (
        mistakes(Deployment(DEPLOY), *(r for r in RULES if r is not made_files_are_private)) == []
    )


@pytest.mark.parametrize("slip", SLIPS.values(), ids=SLIPS.keys())
def test_a_typical_mistake_is_told(slip: Slip, tmp_path: Path) -> None:
    deploy = copy_of_deploy(tmp_path)
    text = deploy.text(slip.file)
    assert slip.old in text
    (deploy.folder / slip.file).write_text(text.replace(slip.old, slip.new, 1))

    told = mistakes(deploy)

    assert any(slip.told in sentence for sentence in told), told


def test_a_digest_behind_a_tag_pins_as_well(tmp_path: Path) -> None:
    deploy = copy_of_deploy(tmp_path)
    digest = f"v1.13.5@sha256:{'0' * 64}"
    compose = deploy.folder / COMPOSE
    compose.write_text(compose.read_text().replace("v1.13.5", digest, 1))

    assert mistakes(deploy, images_are_pinned) == []


def test_a_secret_that_others_can_read_is_told(tmp_path: Path) -> None:
    deploy = copy_of_deploy(tmp_path)
    assert make_secrets(deploy.folder).returncode == os.EX_OK
    assert mistakes(deploy, made_files_are_private) == []

    (deploy.folder / "secrets/turn_secret").chmod(0o444)

    assert mistakes(deploy, made_files_are_private) == [
        "secrets/turn_secret: others on this host can read it"
    ]
