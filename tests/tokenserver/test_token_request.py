import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenserver.refusals import Code, FieldError, RefusedError
from tokenserver.token_request import TokenRequest, read_token_request

FIELDS = (
    "room_name",
    "participant_name",
    "participant_identity",
    "participant_metadata",
    "participant_attributes",
    "room_config",
)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"room_config": {}},
        {"room_config": None, "participant_attributes": None},
        {"room_name": "", "participant_identity": None, "participant_attributes": {}},
    ],
)
def test_what_is_empty_counts_as_absent(document: dict[str, object]) -> None:
    assert read_token_request(document) == TokenRequest()


def test_every_standard_field_is_read() -> None:
    asked = read_token_request(
        {
            "room_name": "lobby",
            "participant_name": "Ann",
            "participant_identity": "ann",
            "participant_metadata": "{}",
            "participant_attributes": {"lang": "de"},
        }
    )

    assert asked == TokenRequest("lobby", "Ann", "ann", "{}", {"lang": "de"})


@pytest.mark.parametrize(
    "config", [{"agents": [{"agent_name": "x"}]}, {"egress": {}}, [], "", 0, False, {"": None}]
)
def test_a_client_can_not_configure_the_room(config: object) -> None:
    with pytest.raises(RefusedError) as caught:
        read_token_request({"room_config": config})

    assert caught.value.code is Code.ROOM_CONFIG_NOT_SUPPORTED


@pytest.mark.parametrize("key", ["roomName", "grants", "video", "kind", "token"])
def test_an_unknown_field_is_refused_without_being_named(key: str) -> None:
    with pytest.raises(RefusedError) as caught:
        read_token_request({key: "x"})

    assert caught.value.errors == (FieldError("body", "unknown_field"),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("room_name", 7),
        ("participant_name", ["Ann"]),
        ("participant_identity", True),
        ("participant_metadata", {"a": 1}),
        ("participant_attributes", "lang=de"),
        ("participant_attributes", {"lang": 7}),
        ("participant_attributes", {"lang": None}),
    ],
)
def test_a_field_of_another_type_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(RefusedError) as caught:
        read_token_request({name: value})

    assert caught.value.code is Code.INVALID_REQUEST
    assert caught.value.errors[0].field == name


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(), values))
def test_any_object_is_either_a_request_or_refused(document: dict[str, object]) -> None:
    try:
        asked = read_token_request(document)
    except RefusedError:
        return
    assert all(isinstance(value, str) for value in asked.participant_attributes.values())
