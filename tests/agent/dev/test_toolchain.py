from pathlib import Path

import pytest

from agent.dev.toolchain import GO, NODE, MissingToolError, Tool, find_tool
from tests.agent.dev.programs import program

NO_WHEEL = Tool("go", GO.accepted, "version", "no-such-wheel-of-ours", "go/bin/go")


def says(folder: Path, name: str, answer: str) -> Path:
    return program(folder / name, f"echo '{answer}'")


def test_a_recent_compiler_on_the_path_is_taken(tmp_path: Path) -> None:
    go = says(tmp_path, "go", "go version go1.26.0 linux/amd64")

    assert find_tool(NO_WHEEL, path=str(tmp_path)) == go


@pytest.mark.parametrize("answer", ["go version go1.19.8 linux/amd64", "no version", ""])
def test_an_old_or_odd_compiler_is_not(tmp_path: Path, answer: str) -> None:
    says(tmp_path, "go", answer)

    with pytest.raises(MissingToolError) as error:
        find_tool(NO_WHEEL, path=str(tmp_path))

    assert str(error.value) == (
        "go 1.26 or newer is needed and isn't here: "
        "install it, or run `pip install no-such-wheel-of-ours`"
    )


def test_one_for_another_processor_is_not(tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.write_bytes(b"\x7fELF of no machine")
    go.chmod(0o700)

    with pytest.raises(MissingToolError):
        find_tool(NO_WHEEL, path=str(tmp_path))


def test_the_wheel_stands_in_for_what_the_path_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "packages"
    info = packages / "a_go_wheel-1.26.6.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: a-go-wheel\nVersion: 1.26.6\n")
    in_wheel = says(packages / "go" / "bin", "go", "go version go1.26.6 linux/amd64")
    says(tmp_path / "bin", "go", "go version go1.19.8 linux/amd64")
    monkeypatch.syspath_prepend(str(packages))
    wheel = Tool("go", GO.accepted, "version", "a-go-wheel", "go/bin/go")

    assert find_tool(wheel, path=str(tmp_path / "bin")) == in_wheel


@pytest.mark.parametrize(
    ("version", "taken"),
    [
        ("20.18.3", False),
        ("20.19.0", True),
        ("21.7.3", False),
        ("22.11.0", False),
        ("24.1.0", True),
    ],
)
def test_node_is_taken_in_the_versions_that_can_build_the_page(
    tmp_path: Path, version: str, *, taken: bool
) -> None:
    node = Tool("node", NODE.accepted, "--version", "no-such-wheel-of-ours", "node", ("npm",))
    path = says(tmp_path, "node", f"v{version}")
    says(tmp_path, "npm", "10.0.0")

    if taken:
        assert find_tool(node, path=str(tmp_path)) == path
    else:
        with pytest.raises(MissingToolError):
            find_tool(node, path=str(tmp_path))


def test_node_without_npm_is_of_no_use(tmp_path: Path) -> None:
    node = Tool("node", NODE.accepted, "--version", "no-such-wheel-of-ours", "node", ("npm",))
    says(tmp_path, "node", "v24.1.0")

    with pytest.raises(MissingToolError):
        find_tool(node, path=str(tmp_path))
