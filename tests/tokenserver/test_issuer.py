import time

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.api import TokenVerifier

from tests.tokenserver.examples import SECRET, SIGNING_KEY, policy
from tokenserver.decision import Grant, decide
from tokenserver.issuer import Issuer, SigningKey
from tokenserver.token_request import TokenRequest

POLICY = policy()


def grant(name: str | None = "Ann") -> Grant:
    asked = TokenRequest("lobby", name, "ann", None, {"lang": "de"})
    return decide(asked, POLICY.callers[0], POLICY, "0" * 16)


def test_livekits_own_verifier_reads_what_was_granted() -> None:
    token = Issuer(SIGNING_KEY).sign(grant(), int(time.time()), "1")

    claims = TokenVerifier("k1", SECRET).verify(token)

    assert (claims.identity, claims.name, claims.metadata) == ("ann", "Ann", "")
    assert claims.attributes == {"lang": "de", "roomcast.role": "guest"}
    assert claims.video is not None
    assert (claims.video.room, claims.video.room_join) == ("lobby", True)
    assert claims.video.can_publish_sources == ["microphone", "camera"]
    assert claims.room_config is None


def test_a_token_begins_a_little_early_and_ends_with_the_roles_time() -> None:
    token = Issuer(SIGNING_KEY).sign(grant(), 1_000_000, "some-id")

    claims = jwt.decode(token, options={"verify_signature": False})

    assert (claims["nbf"], claims["iat"], claims["exp"]) == (999_995, 1_000_000, 1_000_600)
    assert (claims["iss"], claims["jti"]) == ("k1", "some-id")
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}


def test_another_secret_does_not_verify() -> None:
    token = Issuer(SIGNING_KEY).sign(grant(), int(time.time()), "1")

    with pytest.raises(jwt.InvalidSignatureError):
        TokenVerifier("k1", SECRET + "x").verify(token)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=40))
def test_any_name_survives_signing(name: str) -> None:
    token = Issuer(SIGNING_KEY).sign(grant(name or None), int(time.time()), "1")

    assert TokenVerifier("k1", SECRET).verify(token).name == name


def test_a_key_does_not_show_its_secret() -> None:
    assert SECRET not in repr(SIGNING_KEY)
    assert SECRET not in repr(vars(Issuer(SIGNING_KEY)))


@pytest.mark.parametrize(("length", "weak"), [(31, True), (32, False)])
def test_a_secret_shorter_than_the_hash_is_weak(length: int, weak: bool) -> None:
    assert SigningKey("k", "x" * length).is_weak is weak
