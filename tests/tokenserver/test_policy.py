import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tokenserver.policy import Cors, Limits, Policy, Role, RoomRule, Source

HASH = "0" * 64
SMALLEST = {
    "version": 1,
    "server_url": "wss://rtc.example.com",
    "callers": [{"name": "backend", "api_key_sha256": HASH, "roles": ["guest"]}],
    "rooms": {"allow": ["lobby"]},
    "roles": {"guest": {}},
}


def load(**changes: object) -> Policy:
    return Policy.model_validate_json(json.dumps({**SMALLEST, **changes}))


def test_a_role_grants_nothing_that_it_does_not_name() -> None:
    role = load().roles["guest"]

    assert role == Role(
        ttl=600,
        publish="none",
        subscribe=False,
        data=False,
        recorder=False,
        update_own_metadata=False,
        settable=("name",),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"colour": "blue"},
        {"roles": {"guest": {"subscirbe": True}}},
        {"roles": {"guest": {"hidden": True}}},
        {"limits": {"rate": 1}},
        {"rooms": {"allow": ["lobby"], "deny": []}},
        {"cors": {"origin": []}},
    ],
)
def test_an_unknown_key_is_an_error_at_every_level(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        load(**changes)


@pytest.mark.parametrize("missing", ["version", "server_url", "callers", "rooms", "roles"])
def test_what_a_policy_cannot_do_without_must_be_there(missing: str) -> None:
    document = {key: value for key, value in SMALLEST.items() if key != missing}

    with pytest.raises(ValidationError, match="Field required"):
        Policy.model_validate_json(json.dumps(document))


@pytest.mark.parametrize(
    "server_url",
    [
        "https://rtc.example.com",
        "wss://",
        "wss://user:password@rtc.example.com",
        "wss://rtc.example.com?access_token=x",
        "wss://rtc.example.com; script-src *",
        "rtc.example.com",
    ],
)
def test_clients_are_sent_to_a_plain_websocket_address_only(server_url: str) -> None:
    with pytest.raises(ValidationError, match="must"):
        load(server_url=server_url)


@pytest.mark.parametrize(
    ("caller", "reason"),
    [
        ({"roles": ["guest"]}, "either api_key_sha256 or"),
        ({"roles": ["guest"], "api_key_sha256": HASH, "anonymous": True}, "either"),
        ({"roles": ["guest"], "anonymous": False}, "anonymous"),
        ({"roles": ["guest"], "api_key_sha256": "a secret, not its hash"}, "pattern"),
        ({"roles": [], "api_key_sha256": HASH}, "at least 1 item"),
        ({"roles": ["host"], "api_key_sha256": HASH}, "`roles` does not define"),
    ],
)
def test_a_caller_is_known_in_one_way_and_has_roles_that_exist(
    caller: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        load(callers=[{"name": "someone", **caller}])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"name": "a", "api_key_sha256": HASH}, {"name": "a", "anonymous": True}),
        ({"name": "a", "api_key_sha256": HASH}, {"name": "b", "api_key_sha256": HASH}),
        ({"name": "a", "anonymous": True}, {"name": "b", "anonymous": True}),
    ],
)
def test_no_two_callers_can_be_mistaken_for_each_other(
    first: dict[str, object], second: dict[str, object]
) -> None:
    roles = {"roles": ["guest"]}

    with pytest.raises(ValidationError, match="appears twice"):
        load(callers=[{**first, **roles}, {**second, **roles}])


def test_a_role_named_like_a_bot_must_be_one() -> None:
    with pytest.raises(ValidationError, match="recorder: true"):
        load(roles={"guest": {}, "bot": {}})


def test_an_identity_pattern_must_admit_the_identities_that_are_made_up() -> None:
    with pytest.raises(ValidationError, match="such as guest-0000000000000000"):
        load(identity={"pattern": "^[a-z]{1,8}$"})


@pytest.mark.parametrize(("written", "seconds"), [("2m", 120), ("90m", 5400), (600, 600)])
def test_a_time_to_live_is_written_with_its_unit_or_in_seconds(
    written: object, seconds: int
) -> None:
    assert load(roles={"guest": {"ttl": written}}).roles["guest"].ttl == seconds


@pytest.mark.parametrize("written", ["1m", "25h", "10", "ten minutes", "-5m", 1.5, True])
def test_a_time_to_live_outside_two_minutes_to_a_day_is_refused(written: object) -> None:
    with pytest.raises(ValidationError):
        load(roles={"guest": {"ttl": written}})


def test_sizes_are_written_with_their_unit_or_in_bytes() -> None:
    limits = Limits.model_validate_json('{"body": "16KiB", "metadata": 100}')

    assert (limits.body, limits.metadata) == (16384, 100)


@pytest.mark.parametrize(
    "field", ["identity", "attributes.", "attributes.roomcast.role", "attributes.lk.x", "role"]
)
def test_what_others_rely_on_can_not_be_made_settable(field: str) -> None:
    with pytest.raises(ValidationError, match=r"must be name, metadata or attributes\.<key>"):
        load(roles={"guest": {"settable": [field]}})


@pytest.mark.parametrize(
    "origin",
    ["*", "https://*.example.com", "https://app.example.com/", "HTTPS://app.example.com", "null"],
)
def test_only_exact_origins_are_taken(origin: str) -> None:
    with pytest.raises(ValidationError, match="must"):
        Cors.model_validate_json(json.dumps({"origins": [origin]}))


def test_sources_are_read_by_livekits_names() -> None:
    role = load(roles={"guest": {"publish": ["camera", "screen_share_audio"]}}).roles["guest"]

    assert role.publish == (Source.CAMERA, Source.SCREEN_SHARE_AUDIO)


@pytest.mark.parametrize(
    ("room", "admitted"),
    [
        ("lobby", True),
        ("class-", True),
        ("class-7-b", True),
        ("lobby2", False),
        ("a-class-7", False),
        ("Lobby", False),
        ("class-7\n", False),
        ("class-Ä", False),
        ("", False),
    ],
)
def test_a_room_must_match_the_pattern_and_one_entry_of_the_list(room: str, admitted: bool) -> None:
    assert RoomRule(allow=("lobby", "class-*")).admits(room) is admitted


@pytest.mark.parametrize("room", ["lobby7", "7lobby", "lobby\n"])
def test_a_pattern_without_anchors_must_match_the_whole_room(room: str) -> None:
    rule = RoomRule(allow=("*",), pattern="[a-z]+")

    assert rule.admits("lobby")
    assert not rule.admits(room)


@given(st.text(max_size=20))
def test_an_entry_without_a_star_admits_nothing_but_itself(room: str) -> None:
    rule = RoomRule(allow=("a.b",), pattern="(?s).*")

    assert rule.admits(room) is (room == "a.b")


def test_a_policy_does_not_show_the_hashes_of_its_keys() -> None:
    assert HASH not in repr(load())
