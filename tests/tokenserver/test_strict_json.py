import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenserver.refusals import Code, RefusedError
from tokenserver.strict_json import MAX_DEPTH, parse_object


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"a": 1, "a": 1}', "stands twice"),
        (b'{"a": {"b": 1, "b": 1}}', "stands twice"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": -Infinity}', "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"a":' * 20_000, "not JSON"),
        (b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "nested"),
        (b"{'a': 1}", "not JSON"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason) as caught:
        parse_object(raw)

    assert caught.value.code is Code.MALFORMED_JSON


def test_an_object_is_read_down_to_the_allowed_depth() -> None:
    nested = b'{"a": ' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}"

    assert "a" in parse_object(nested)


leaves = st.none() | st.booleans() | st.integers() | st.text()
documents = st.dictionaries(st.text(), st.recursive(leaves, st.lists, max_leaves=5), max_size=5)


@given(documents)
def test_what_json_writes_is_read_back(document: dict[str, object]) -> None:
    raw = json.dumps(document, ensure_ascii=False).encode(errors="replace")
    try:
        parsed = parse_object(raw)
    except RefusedError as refused:
        assert "nested" in refused.reason or "twice" in refused.reason  # noqa: PT017
    else:
        assert json.dumps(parsed) == json.dumps(json.loads(raw))


@given(st.binary(max_size=200))
def test_no_bytes_lead_to_anything_but_an_object_or_a_refusal(raw: bytes) -> None:
    try:
        assert isinstance(parse_object(raw), dict)
    except RefusedError as refused:
        assert refused.code is Code.MALFORMED_JSON  # noqa: PT017
