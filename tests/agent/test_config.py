import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import (
    EndpointConnection,
    Environment,
    KeyConnection,
    connection,
    out_folder,
    participant_identity,
    room_name,
    server_url,
    size_in_bytes,
    with_env_file,
)
from agent.errors import UsageError
from agent.identity import ApiKey, TokenEndpoint

SECRET = "canary-secret-canary-secret-canary"
KEY = {"LIVEKIT_URL": "ws://sfu:7880", "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": SECRET}
UNITS = {"": 1, "k": 1000, "M": 10**6, "Ki": 1024, "Gi": 1 << 30, "T": 10**12}
ENDPOINT = {"ROOMCAST_TOKEN_URL": "https://tokens/v1/token", "ROOMCAST_TOKEN_KEY": SECRET}


def refusal(environment: Environment) -> str:
    with pytest.raises(UsageError) as caught:
        connection(environment)
    return str(caught.value)


def test_a_key_of_the_sfu_is_one_way_in() -> None:
    assert connection(KEY) == KeyConnection("ws://sfu:7880", "k", SECRET)


def test_a_token_endpoint_is_the_other_way_in() -> None:
    assert connection(ENDPOINT) == EndpointConnection("https://tokens/v1/token", SECRET)


def test_livekit_url_says_where_the_sfu_is_instead_of_the_endpoint() -> None:
    found = connection(ENDPOINT | {"LIVEKIT_URL": "https://sfu.example.com"})

    assert found == EndpointConnection("https://tokens/v1/token", SECRET, "wss://sfu.example.com")


def test_nothing_set_names_all_that_can_be_set() -> None:
    said = refusal({})

    assert all(name in said for name in (*KEY, *ENDPOINT))


@pytest.mark.parametrize("missing", list(KEY))
def test_what_is_missing_is_named(missing: str) -> None:
    said = refusal({name: value for name, value in KEY.items() if name != missing})

    assert said.startswith(f"{missing} is not set")
    assert SECRET not in said


def test_a_key_and_an_endpoint_at_once_are_refused() -> None:
    assert "both set" in refusal(KEY | ENDPOINT)


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    environment = {name: value for name, value in KEY.items() if name != "LIVEKIT_API_SECRET"}

    found = connection(environment | {"LIVEKIT_API_SECRET_FILE": str(file)})

    assert found == KeyConnection("ws://sfu:7880", "k", SECRET)


def test_a_secret_in_a_file_and_in_a_variable_is_refused(tmp_path: Path) -> None:
    said = refusal(KEY | {"LIVEKIT_API_SECRET_FILE": str(tmp_path / "secret")})

    assert said == (
        "LIVEKIT_API_SECRET and LIVEKIT_API_SECRET_FILE are both set: unset one of them"
    )


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "is empty"), (b"\xff\xfe", "is not UTF-8"), (None, "can't read")]
)
def test_a_secret_file_that_holds_none_is_named(
    content: bytes | None, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)

    sentence = refusal({"LIVEKIT_URL": "ws://sfu", "LIVEKIT_API_SECRET_FILE": str(file)})

    assert said in sentence
    assert str(file) in sentence
    assert "LIVEKIT_API_SECRET_FILE" in sentence


@pytest.mark.parametrize("environment", [KEY, ENDPOINT])
def test_no_secret_shows(environment: Environment) -> None:
    found = connection(environment)

    assert SECRET not in repr(found)
    assert SECRET not in repr(found.accesses("demo", "ann", recorder=True))


@pytest.mark.parametrize("recorder", [True, False])
def test_a_key_signs_for_the_room_the_identity_and_what_it_does_there(recorder: bool) -> None:
    assert connection(KEY).accesses("demo", "ann", recorder=recorder) == ApiKey(
        "ws://sfu:7880", "demo", "ann", "k", SECRET, recorder=recorder
    )


def test_a_recorder_asks_the_endpoint_for_the_role_of_a_bot() -> None:
    assert connection(ENDPOINT).accesses("demo", "ann", recorder=True) == TokenEndpoint(
        "https://tokens/v1/token", "demo", "ann", key=SECRET, role="bot"
    )


def test_who_only_publishes_asks_the_endpoint_for_no_role() -> None:
    assert connection(ENDPOINT).accesses("demo", "ann", recorder=False) == TokenEndpoint(
        "https://tokens/v1/token", "demo", "ann", key=SECRET
    )


def test_who_shows_no_key_asks_for_no_role() -> None:
    found = connection({"ROOMCAST_TOKEN_URL": "http://127.0.0.1:8080/v1/token"})

    assert found.accesses("demo", "ann", recorder=True) == TokenEndpoint(
        "http://127.0.0.1:8080/v1/token", "demo", "ann"
    )


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("ws://127.0.0.1:7880", "ws://127.0.0.1:7880"),
        ("http://127.0.0.1:7880/", "ws://127.0.0.1:7880"),
        ("https://rtc.example.com/sfu/?a=b#c", "wss://rtc.example.com/sfu"),
        (" wss://[::1]:443 ", "wss://[::1]:443"),
    ],
)
def test_the_address_of_an_sfu_may_be_written_as_a_browser_would(given: str, meant: str) -> None:
    assert server_url(given) == meant


@pytest.mark.parametrize(
    "text", ["localhost:7880", "ftp://sfu", "ws://", "ws://a:99999", "ws://me:pw@sfu", "ws://[::1"]
)
def test_what_is_no_address_of_an_sfu_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"LIVEKIT_URL must be the address") as caught:
        server_url(text)

    assert "pw" not in str(caught.value)


def test_an_endpoint_that_is_no_web_address_is_refused() -> None:
    assert "ROOMCAST_TOKEN_URL must be" in refusal({"ROOMCAST_TOKEN_URL": "tokens.example.com"})


def test_an_env_file_beats_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "prod.env"
    file.write_text(
        "# comment\n\nexport LIVEKIT_URL = wss://prod\nLIVEKIT_API_KEY='k # 2'\n"
        f'LIVEKIT_API_SECRET="{SECRET}"  \nROOMCAST_OUT=/srv # where it goes\n'
    )

    merged = with_env_file(KEY | {"LIVEKIT_URL": "ws://dev", "PATH": "/bin"}, file)

    assert merged == {
        "LIVEKIT_URL": "wss://prod",
        "LIVEKIT_API_KEY": "k # 2",
        "LIVEKIT_API_SECRET": SECRET,
        "ROOMCAST_OUT": "/srv",
        "PATH": "/bin",
    }


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ({"LIVEKIT_API_KEY": "old"}, "LIVEKIT_API_KEY_FILE=/run/key"),
        ({"LIVEKIT_API_KEY_FILE": "/old"}, "LIVEKIT_API_KEY=new"),
    ],
)
def test_an_env_file_beats_either_way_of_giving_a_secret(
    before: Environment, line: str, tmp_path: Path
) -> None:
    file = tmp_path / "prod.env"
    file.write_text(line)

    name, _, value = line.partition("=")
    assert with_env_file(before, file) == {name: value}


def test_a_line_that_is_no_assignment_is_named_and_not_quoted(tmp_path: Path) -> None:
    file = tmp_path / "prod.env"
    file.write_text(f"LIVEKIT_URL=ws://sfu\n{SECRET}\n")

    with pytest.raises(UsageError, match=r"line 2 of .*prod\.env is not NAME=VALUE") as caught:
        with_env_file({}, file)

    assert SECRET not in str(caught.value)


def test_without_an_env_file_the_environment_is_all() -> None:
    assert with_env_file(KEY, None) is KEY


@pytest.mark.parametrize(
    ("environment", "flag", "out"),
    [
        ({}, None, "recordings"),
        ({"ROOMCAST_OUT": "/srv/rec"}, None, "/srv/rec"),
        ({"ROOMCAST_OUT": "/srv/rec"}, Path("here"), "here"),
    ],
)
def test_recordings_go_where_the_flag_or_the_environment_says(
    environment: Environment, flag: Path | None, out: str
) -> None:
    assert out_folder(environment, flag) == Path(out)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1000000", 1_000_000),
        ("500MB", 500_000_000),
        ("2GiB", 2 << 30),
        ("1.5 kB", 1500),
        ("1M", 1_000_000),
        ("10B", 10),
    ],
)
def test_a_size_may_have_a_unit(text: str, size: int) -> None:
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "0", "0.4B", "5iB", "5PB", "-5", "1e6", "MB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no such size"):
        size_in_bytes(text)


@given(st.integers(1, 999), st.sampled_from(list(UNITS)), st.sampled_from(["", "B"]))
def test_a_size_is_its_number_times_its_unit(number: int, unit: str, end: str) -> None:
    assert size_in_bytes(f"{number}{unit}{end}") == number * UNITS[unit]


@pytest.mark.parametrize("text", ["demo", "../etc", "ü" * 128, "🎥", "a b"])
def test_a_room_may_be_called_almost_anything(text: str) -> None:
    assert room_name(text) == text


@pytest.mark.parametrize("text", ["", "  ", "ü" * 129, os.fsdecode(b"\xff")])
def test_what_no_sfu_takes_as_a_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"a room's name (must|has)"):
        room_name(text)
    with pytest.raises(UsageError, match=r"an identity (must|has)"):
        participant_identity(text)


def test_an_identity_has_no_number_sign() -> None:
    with pytest.raises(UsageError, match="'#'"):
        participant_identity("ann#2")
