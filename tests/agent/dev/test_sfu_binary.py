import threading
from pathlib import Path

import pytest

from agent.dev.sfu_binary import (
    SfuBinaryError,
    SfuBuildError,
    built_sfu,
    find_sfu,
    obtain_sfu,
    sfu_version,
)
from tests.agent.dev.programs import program

Environ = dict[str, str]


@pytest.fixture
def environ(tmp_path: Path) -> Environ:
    """An environment with a home of its own and a PATH with nothing but the shell's programs."""
    (tmp_path / "bin").mkdir()
    return {"HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "bin")}


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """A compiler that notes its runs and what it was told, and builds a program that runs."""
    notes = tmp_path / "notes"
    return program(
        tmp_path / "go",
        f'echo "$@ CGO_ENABLED=$CGO_ENABLED" >> {notes}',
        "/bin/sleep 0.2",
        'printf "#!/bin/sh\\necho livekit-server version 1.13.5\\n" > "$GOBIN/server"',
        '/bin/chmod 700 "$GOBIN/server"',
    )


def test_the_variable_comes_first_then_the_path_then_the_cache(
    tmp_path: Path, environ: Environ
) -> None:
    assert find_sfu(environ) is None
    cached = program(built_sfu(environ))
    assert find_sfu(environ) == cached
    on_path = program(tmp_path / "bin" / "livekit-server")
    assert find_sfu(environ) == on_path
    named = program(tmp_path / "mine")
    assert find_sfu({**environ, "ROOMCAST_SFU": str(named)}) == named


def test_the_cache_folder_is_the_users(tmp_path: Path, environ: Environ) -> None:
    in_home = tmp_path / "home" / ".cache" / "roomcast" / "bin" / "livekit-server-v1.13.5"
    assert built_sfu(environ) == in_home
    assert built_sfu({**environ, "XDG_CACHE_HOME": "relative"}) == in_home
    assert built_sfu({**environ, "XDG_CACHE_HOME": str(tmp_path)}).is_relative_to(
        tmp_path / "roomcast"
    )


def test_a_variable_that_names_nothing_is_a_sentence(tmp_path: Path, environ: Environ) -> None:
    with pytest.raises(SfuBinaryError) as error:
        obtain_sfu(print, {**environ, "ROOMCAST_SFU": str(tmp_path / "none")})

    assert str(error.value) == (
        f"ROOMCAST_SFU is {tmp_path / 'none'}, which is not there: "
        "let it name a livekit-server program, or unset it"
    )
    assert error.value.exit_code == 2


def test_a_variable_that_names_no_program_is_a_sentence(tmp_path: Path, environ: Environ) -> None:
    text = tmp_path / "text"
    text.touch(mode=0o600)

    with pytest.raises(SfuBinaryError, match="which may not be executed"):
        find_sfu({**environ, "ROOMCAST_SFU": str(text)})


def test_it_is_built_once_without_cgo_and_found_from_then_on(
    tmp_path: Path, environ: Environ, go: Path
) -> None:
    said: list[str] = []

    built = obtain_sfu(said.append, environ, go=go)

    assert obtain_sfu(said.append, environ, go=go) == built == find_sfu(environ)
    assert (tmp_path / "notes").read_text() == (
        "install github.com/livekit/livekit-server/cmd/server@v1.13.5 CGO_ENABLED=0\n"
    )
    assert said[0].startswith("building the SFU, livekit-server v1.13.5, once")
    assert said[1].endswith(str(built))
    assert sfu_version(built) == "1.13.5"


def test_of_two_at_once_one_builds_and_the_other_waits(
    tmp_path: Path, environ: Environ, go: Path
) -> None:
    said: list[str] = []
    both = [
        threading.Thread(target=obtain_sfu, args=(said.append, environ), kwargs={"go": go})
        for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()

    assert (tmp_path / "notes").read_text().count("install") == 1
    assert "another roomcast is building the SFU: waiting for it" in said


def test_a_build_that_fails_says_the_compilers_last_line_and_leaves_nothing(
    tmp_path: Path, environ: Environ
) -> None:
    go = program(tmp_path / "go", "echo first >&2", "echo 'dial tcp: no route' >&2", "exit 1")

    with pytest.raises(
        SfuBuildError, match=r"can't build the SFU .*: dial tcp: no route;"
    ) as error:
        obtain_sfu(lambda _: None, environ, go=go)

    assert error.value.exit_code == 3
    assert [path.name for path in built_sfu(environ).parent.iterdir()] == [
        ".livekit-server-v1.13.5.lock"
    ]


def test_a_compiler_that_does_not_run_is_a_sentence(tmp_path: Path, environ: Environ) -> None:
    with pytest.raises(SfuBuildError, match="none does not run: No such file"):
        obtain_sfu(lambda _: None, environ, go=tmp_path / "none")


def test_a_program_without_a_version_has_none(tmp_path: Path) -> None:
    assert sfu_version(program(tmp_path / "fails", "exit 1")) is None
    assert sfu_version(program(tmp_path / "silent")) is None
    assert sfu_version(tmp_path / "none") is None
