import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tokenserver.examples import TEXT_WITH_GUESTS, policy
from tokenserver.decision import Grant, decide, video_grant
from tokenserver.names import RESERVED_NAMES, is_reserved
from tokenserver.policy import CallerRule, Policy, Role, Source
from tokenserver.refusals import Code, RefusedError
from tokenserver.token_request import TokenRequest

POLICY = policy()
UNIQUE = "0123456789abcdef"
CALLERS = {rule.name: rule for rule in POLICY.callers}
ROLE = "roomcast.role"


def ask(
    asked: TokenRequest,
    caller: str = "backend",
    rules: Policy = POLICY,
) -> Grant:
    return decide(asked, CALLERS[caller], rules, UNIQUE)


def refusal(asked: TokenRequest, caller: str = "backend", rules: Policy = POLICY) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        ask(asked, caller, rules)
    return caught.value


def sets_of_sources() -> list[tuple[Source, ...]]:
    return [
        chosen
        for count in range(len(Source) + 1)
        for chosen in itertools.combinations(Source, count)
    ]


@pytest.mark.parametrize("publish", ["all", "none", *sets_of_sources()])
@pytest.mark.parametrize("rights", list(itertools.product([False, True], repeat=4)))
def test_a_token_holds_what_the_role_grants_and_spells_out_the_rest(
    publish: str | tuple[Source, ...], rights: tuple[bool, bool, bool, bool]
) -> None:
    subscribe, data, recorder, update_own_metadata = rights
    role = Role.model_validate(
        {
            "publish": publish,
            "subscribe": subscribe,
            "data": data,
            "recorder": recorder,
            "update_own_metadata": update_own_metadata,
        }
    )
    sources = {"canPublishSources": list(publish)} if isinstance(publish, tuple) and publish else {}

    assert video_grant(role, "lobby") == {
        "room": "lobby",
        "roomJoin": True,
        "canPublish": publish not in ("none", ()),
        "canSubscribe": subscribe,
        "canPublishData": data,
        "canUpdateOwnMetadata": update_own_metadata,
        "recorder": recorder,
        "hidden": False,
        "agent": False,
        "roomAdmin": False,
        "roomCreate": False,
        "roomList": False,
        "roomRecord": False,
        "ingressAdmin": False,
        "canSubscribeMetrics": False,
        "canManageAgentSession": False,
        **sources,
    }


@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
@pytest.mark.parametrize("role", [*POLICY.roles, "admin", "Guest", ""])
def test_a_caller_gets_exactly_the_roles_that_it_holds(caller: CallerRule, role: str) -> None:
    asked = TokenRequest(room_name="lobby", participant_attributes={ROLE: role})

    if role in caller.roles:
        grant = decide(asked, caller, POLICY, UNIQUE)
        assert (grant.role, grant.attributes) == (role, {ROLE: role})
        assert grant.video == video_grant(POLICY.roles[role], "lobby")
        assert grant.ttl_s == POLICY.roles[role].ttl
    else:
        assert refusal(asked, caller.name).code is Code.ROLE_NOT_HELD


@pytest.mark.parametrize(("caller", "role"), [("backend", "guest"), ("recorder", "bot")])
def test_who_asks_for_no_role_gets_the_first_of_its_own(caller: str, role: str) -> None:
    assert ask(TokenRequest(room_name="lobby"), caller).attributes == {ROLE: role}


@pytest.mark.parametrize(
    "room", ["office", "lobby#", "../lobby", "class-\u00e4", "class-" + "9" * 99]
)
def test_a_room_that_the_policy_does_not_list_is_refused(room: str) -> None:
    assert refusal(TokenRequest(room_name=room)).code is Code.ROOM_NOT_ALLOWED


def test_no_policy_can_allow_a_room_with_a_separator_in_its_name() -> None:
    rules = policy(TEXT_WITH_GUESTS.replace("lobby]}", "'*'], pattern: '(?s).*'}"))

    assert ask(TokenRequest(room_name="Büro 7"[:4]), rules=rules).room == "Büro"
    assert refusal(TokenRequest(room_name="a/b"), rules=rules).code is Code.ROOM_NOT_ALLOWED
    assert refusal(TokenRequest(room_name="é" * 129), rules=rules).code is Code.ROOM_NOT_ALLOWED


def test_the_only_room_there_is_need_not_be_named() -> None:
    rules = policy(TEXT_WITH_GUESTS.replace('["class-*", lobby]', "[lobby]"))

    assert ask(TokenRequest(), rules=rules).room == "lobby"


def test_who_names_no_room_gets_one_of_its_own_where_the_policy_allows_it() -> None:
    rules = policy(TEXT_WITH_GUESTS.replace('["class-*", lobby]', '["room-*", lobby]'))

    assert ask(TokenRequest(), rules=rules).room == f"room-{UNIQUE}"


def test_a_room_must_be_named_where_the_policy_allows_no_random_one() -> None:
    assert refusal(TokenRequest()).code is Code.ROOM_REQUIRED


@pytest.mark.parametrize(("caller", "role"), [("backend", "guest"), ("recorder", "bot")])
def test_who_chooses_no_identity_gets_one_that_nobody_else_has(caller: str, role: str) -> None:
    assert ask(TokenRequest(room_name="lobby"), caller).identity == f"{role}-{UNIQUE}"


@pytest.mark.parametrize(
    "identity", ["ann#x", "a b", "ann\n", "a/b", "../etc", "\u202eann", "x" * 129, "🙂"]
)
def test_an_identity_outside_the_pattern_is_refused(identity: str) -> None:
    refused = refusal(TokenRequest(room_name="lobby", participant_identity=identity))

    assert (refused.code, refused.errors[0].field) == (Code.INVALID_VALUE, "participant_identity")


@pytest.mark.parametrize("identity", ["ann!", "!ann"])
def test_a_pattern_without_anchors_must_match_the_whole_identity(identity: str) -> None:
    rules = policy(TEXT_WITH_GUESTS + "identity: {pattern: '[a-z0-9-]+'}\n")
    asked = TokenRequest(room_name="lobby", participant_identity=identity)

    assert refusal(asked, rules=rules).code is Code.INVALID_VALUE


@pytest.mark.parametrize("identity", ["ann#2", "ann/camera", "ann\x00", "é" * 129])
def test_no_pattern_can_allow_a_separator_in_an_identity(identity: str) -> None:
    rules = policy(TEXT_WITH_GUESTS + "identity: {pattern: '(?s).*'}\n")
    asked = TokenRequest(room_name="lobby", participant_identity=identity)

    assert refusal(asked, rules=rules).code is Code.INVALID_VALUE


@pytest.mark.parametrize(
    "identity", ["rec-1", "REC-1", "Bot", "bot-2", "agent-AJ_x", *sorted(RESERVED_NAMES)]
)
def test_the_names_of_bots_are_for_bots(identity: str) -> None:
    asked = TokenRequest(room_name="lobby", participant_identity=identity)

    assert refusal(asked).code is Code.IDENTITY_RESERVED
    assert ask(asked, "recorder").identity == identity


def test_a_caller_that_is_also_a_bot_must_ask_for_that_role_to_be_named_like_one() -> None:
    rules = policy(TEXT_WITH_GUESTS.replace("roles: [bot]", "roles: [guest, bot]"))
    caller = next(rule for rule in rules.callers if rule.name == "recorder")
    as_guest = TokenRequest(room_name="lobby", participant_identity="rec-1")
    as_bot = TokenRequest("lobby", None, "rec-1", None, {ROLE: "bot"})

    with pytest.raises(RefusedError, match="kept for bots"):
        decide(as_guest, caller, rules, UNIQUE)
    assert decide(as_bot, caller, rules, UNIQUE).identity == "rec-1"


def test_a_client_chooses_the_fields_that_its_role_may() -> None:
    as_guest = TokenRequest("lobby", "Ann", None, None, {"lang": "de"})
    as_host = TokenRequest("lobby", None, None, "{}", {ROLE: "host"})

    assert (ask(as_guest).name, ask(as_guest).attributes) == ("Ann", {"lang": "de", ROLE: "guest"})
    assert ask(as_host).metadata == "{}"


@pytest.mark.parametrize(
    ("asked", "caller"),
    [
        (TokenRequest("lobby", "Ann", participant_attributes={ROLE: "viewer"}), "guests"),
        (TokenRequest("lobby", participant_metadata="{}"), "guests"),
        (TokenRequest("lobby", participant_attributes={"colour": "red"}), "guests"),
        (TokenRequest("lobby", participant_attributes={"roomcast.recording": "on"}), "guests"),
        (TokenRequest("lobby", participant_attributes={"lang": "de", ROLE: "host"}), "backend"),
    ],
)
def test_a_field_that_the_role_may_not_choose_is_refused_and_not_dropped(
    asked: TokenRequest, caller: str
) -> None:
    assert refusal(asked, caller).code is Code.FIELD_NOT_SETTABLE


@pytest.mark.parametrize("name", ["x" * 257, "é" * 129, "Ann\n", "Ann\x1b[2J", "a\u2028b"])
def test_a_display_name_is_one_short_line(name: str) -> None:
    assert refusal(TokenRequest("lobby", name)).code is Code.INVALID_VALUE


@pytest.mark.parametrize(
    "asked",
    [
        TokenRequest("lobby", participant_metadata="é" * 9, participant_attributes={ROLE: "host"}),
        TokenRequest("lobby", participant_attributes={"lang": "x" * 13}),
    ],
)
def test_what_is_larger_than_the_policy_allows_is_refused(asked: TokenRequest) -> None:
    assert refusal(asked).code is Code.LIMIT_EXCEEDED


def test_more_attributes_than_the_policy_allows_are_refused() -> None:
    rules = policy(TEXT_WITH_GUESTS.replace("attributes.lang]", "attributes.a, attributes.b]"))
    asked = TokenRequest("lobby", participant_attributes={"a": "1", "b": "2"})

    assert refusal(asked, rules=rules).code is Code.LIMIT_EXCEEDED


hostile = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.sampled_from(["lobby", "class-1", "rec-1", "Bot", "ann", "guest", "host", "bot", "viewer"]),
)
requests = st.builds(
    TokenRequest,
    hostile,
    hostile,
    hostile,
    hostile,
    st.dictionaries(
        st.sampled_from([ROLE, "lang", "roomcast.recording"]) | st.text(max_size=8),
        hostile.filter(lambda text: text is not None),
        max_size=3,
    ),
)


@given(requests, st.sampled_from(list(CALLERS)))
def test_no_request_gets_more_than_the_caller_may(asked: TokenRequest, name: str) -> None:
    try:
        grant = ask(asked, name)
    except RefusedError:
        return
    role = POLICY.roles[grant.role]
    assert grant.role in CALLERS[name].roles
    assert grant.video == video_grant(role, grant.room)
    assert POLICY.rooms.admits(grant.room)
    assert grant.attributes[ROLE] == grant.role
    assert set(grant.attributes) <= {ROLE, "lang"}
    assert re.fullmatch(r"[A-Za-z0-9:_.-]{1,128}", grant.identity)
    assert role.recorder or not is_reserved(grant.identity)
