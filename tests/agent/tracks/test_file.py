import asyncio
import os
import threading
from fractions import Fraction
from pathlib import Path

import pytest

from agent.errors import MediaFileError
from agent.handlers.pattern_reader import read_pattern
from agent.media import Kind
from agent.tracks.file import MediaFile
from agent.tracks.read_ahead import READ_AHEAD_S
from tests.media_files import Pictures, Sound, write_media


def decoding_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("decode ")]


def is_open(path: Path) -> bool:
    found = [
        link.readlink()
        for link in Path("/proc/self/fd").iterdir()
        if link.is_symlink() and os.path.lexists(link)
    ]
    return path in found


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_media(tmp_path / "film.mp4", Pictures(), Sound(2.0))


async def test_both_tracks_are_read_to_their_ends(film: Path) -> None:
    async with await MediaFile.open(film) as file:
        pictures = [picture async for picture in file.video()]
        blocks = [block async for block in file.audio()]

    readings = [read_pattern(picture.i420) for picture in pictures]
    assert [reading and reading.number for reading in readings] == list(range(50))
    assert len(blocks) == 101
    assert not file.damaged


async def test_a_file_says_what_it_holds(film: Path) -> None:
    async with await MediaFile.open(film, max_height=90) as file:
        assert (file.has_video, file.width, file.height, file.fps) == (
            True,
            160,
            90,
            Fraction(25),
        )
        assert (file.has_audio, file.channels, file.sample_rate) == (True, 2, 48_000)
        assert file.length_s == 2.0


async def test_a_file_without_sound_says_so_and_its_sound_ends_at_once(tmp_path: Path) -> None:
    silent = write_media(tmp_path / "silent.mp4", Pictures(count=5, rotation=90))

    async with await MediaFile.open(silent) as file:
        assert (file.has_audio, file.channels) == (False, 0)
        assert (file.width, file.height) == (180, 320)
        assert [block async for block in file.audio()] == []
        assert len([picture async for picture in file.video()]) == 5


async def test_a_file_without_pictures_says_so_and_they_end_at_once(tmp_path: Path) -> None:
    song = write_media(tmp_path / "song.m4a", None, Sound(0.5))

    async with await MediaFile.open(song) as file:
        assert (file.has_video, file.width, file.fps) == (False, 0, Fraction(0))
        assert [picture async for picture in file.video()] == []
        assert len([block async for block in file.audio()]) == 26


async def test_only_a_little_is_decoded_ahead_of_the_reader(tmp_path: Path) -> None:
    film = write_media(tmp_path / "long.mp4", Pictures(count=250), Sound(10.0))
    file = await MediaFile.open(film)
    sound = file.audio()
    async for block in sound:
        if block.time >= 4:
            break
    film.unlink()  # a reading that has it open goes on

    pictures = file.video()
    seen = [await anext(pictures) for _ in range(25)]

    assert float(seen[-1].time) == pytest.approx(0.96)
    assert decoding_threads() == ["decode long.mp4"]
    assert file._ahead._tracks[Kind.VIDEO].until < 1 + READ_AHEAD_S + 0.1
    await file.aclose()


async def test_closing_ends_the_readers_the_thread_and_the_open_file(film: Path) -> None:
    file = await MediaFile.open(film, loop=True)
    pictures = file.video()
    await anext(pictures)
    assert is_open(film)
    reading = asyncio.create_task(_count(file))

    await file.aclose()

    assert await reading < 200
    assert await anext(pictures, None) is None
    assert decoding_threads() == []
    assert not is_open(film)
    await file.aclose()


async def _count(file: MediaFile) -> int:
    return len([block async for block in file.audio()])


async def test_a_loop_goes_on_until_it_is_closed(film: Path) -> None:
    numbers = []
    async with await MediaFile.open(film, kinds={Kind.VIDEO}, loop=True) as file:
        async for picture in file.video():
            reading = read_pattern(picture.i420)
            numbers.append(reading and reading.number)
            if len(numbers) == 120:
                break

    assert numbers == [n % 50 for n in range(120)]


async def test_what_cannot_be_opened_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a film")

    with pytest.raises(MediaFileError, match="it is no media file"):
        await MediaFile.open(text)

    assert decoding_threads() == []
    assert not is_open(text)


async def test_a_file_whose_head_alone_is_whole_is_refused(tmp_path: Path) -> None:
    film = write_media(tmp_path / "film.mp4", Pictures(count=10), options={"movflags": "faststart"})
    data = film.read_bytes()
    film.write_bytes(data[: data.index(b"mdat") + 4])

    with pytest.raises(MediaFileError, match="nothing in it can be decoded"):
        await MediaFile.open(film)


async def test_opening_that_is_cancelled_leaves_nothing_behind(film: Path) -> None:
    opening = asyncio.create_task(MediaFile.open(film, loop=True))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening

    for thread in threading.enumerate():
        if thread.name.startswith("decode "):
            thread.join(10)
            assert not thread.is_alive()
    assert not is_open(film)
