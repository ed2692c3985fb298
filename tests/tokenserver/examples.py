"""A policy, its callers' keys and the signing key, as the tests of the token server use them."""

from pathlib import Path

from tokenserver.callers import api_key_sha256
from tokenserver.issuer import SigningKey
from tokenserver.policy import Policy
from tokenserver.policy_file import parse_policy

HOST_KEY = "rck_canary-of-the-host"
BOT_KEY = "rck_canary-of-the-bot"
SECRET = "canary-secret-of-at-least-thirty-two-bytes"
SIGNING_KEY = SigningKey("k1", SECRET)

CALLERS = f"""
callers:
  - {{name: backend, api_key_sha256: {api_key_sha256(HOST_KEY)}, roles: [guest, host]}}
  - {{name: recorder, api_key_sha256: {api_key_sha256(BOT_KEY)}, roles: [bot]}}
"""
GUESTS = "  - {name: guests, anonymous: true, roles: [guest, viewer]}\n"
REST = """
rooms: {allow: ["class-*", lobby]}
roles:
  guest: {ttl: 10m, publish: [microphone, camera], subscribe: true, data: true,
          settable: [name, attributes.lang]}
  host: {ttl: 30m, publish: all, subscribe: true, data: true, settable: [name, metadata]}
  viewer: {ttl: 2m, publish: none, subscribe: true, settable: []}
  mute: {publish: []}
  bot: {ttl: 1h, publish: all, subscribe: true, data: true, recorder: true,
        update_own_metadata: true}
cors: {origins: [https://app.example.com]}
limits: {body: 1KiB, metadata: 16, attributes: {count: 1, total: 16}}
"""
TEXT = "version: 1\nserver_url: wss://rtc.example.com\n" + CALLERS + REST
TEXT_WITH_GUESTS = "version: 1\nserver_url: wss://rtc.example.com\n" + CALLERS + GUESTS + REST


def policy(text: str = TEXT_WITH_GUESTS) -> Policy:
    return parse_policy(text.encode(), Path("policy.yaml"))
