import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.redaction import without_secrets

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJrIn0.c2lnbmF0dXJl"


@given(st.text(alphabet="abc :\n", max_size=20), st.text(alphabet="xyz ", max_size=20))
def test_a_token_is_taken_out_wherever_it_stands(before: str, after: str) -> None:
    assert without_secrets(f"{before} {TOKEN} {after}") == f"{before} <token> {after}"


@pytest.mark.parametrize("cut", [TOKEN[:22], TOKEN[:30], TOKEN[:-5], TOKEN + "."])
def test_a_token_that_was_cut_is_taken_out_too(cut: str) -> None:
    assert "eyJ" not in without_secrets(f"invalid token: {cut}")


def test_a_bearer_key_is_taken_out() -> None:
    said = without_secrets("sent 'Authorization: Bearer k3y-of-ours' and failed")

    assert said == "sent 'Authorization: Bearer <secret>' and failed"


def test_other_text_stays_as_it_is() -> None:
    text = "can't join room 'eyJ' at wss://rtc.example.com: nothing listens there"

    assert without_secrets(text) == text
