import logging
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from agent.errors import MediaFileError
from agent.handlers.beep_reader import beep_onsets
from agent.handlers.pattern_reader import read_pattern
from agent.media import AudioFrame, Kind, VideoFrame
from agent.tracks.decoding import FileDecoder
from tests.media_files import Pictures, Sound, cut_short, write_media

VP8 = {"deadline": "realtime", "cpu-used": "8"}


def decoded(
    decoder: FileDecoder, until_s: float | None = None
) -> tuple[list[VideoFrame], list[AudioFrame]]:
    """Decode to the end, or until every track has passed ``until_s``."""
    pictures: list[VideoFrame] = []
    blocks: list[AudioFrame] = []
    reached = dict.fromkeys(decoder.contents.kinds, Fraction(-1))
    while going := [
        kind
        for kind in sorted(reached, key=reached.__getitem__)
        if not decoder.ended(kind) and (until_s is None or reached[kind] < until_s)
    ]:
        for kind in going:
            frame = decoder.next(kind)
            if frame is None:
                continue
            if isinstance(frame, VideoFrame):
                pictures.append(frame)
            else:
                blocks.append(frame)
            reached[kind] = frame.time
            break
    decoder.close()
    return pictures, blocks


def numbers(pictures: Sequence[VideoFrame]) -> list[int | None]:
    readings = [read_pattern(picture.i420) for picture in pictures]
    return [reading.number if reading else None for reading in readings]


def times(pictures: Sequence[VideoFrame]) -> list[float]:
    return [round(float(picture.time), 6) for picture in pictures]


def beeps(blocks: Sequence[AudioFrame]) -> list[float]:
    heard = beep_onsets(np.concatenate([block.samples for block in blocks]), 48_000)
    return [float(blocks[0].time) + onset for onset in heard]


@pytest.mark.parametrize(
    ("name", "codec", "options", "sound_codec"),
    [
        ("film.mp4", "libx264", {"preset": "ultrafast"}, "aac"),
        ("bframes.mp4", "libx264", {"preset": "veryfast", "bf": "3"}, "aac"),
        ("film.mkv", "libx264", {"preset": "ultrafast"}, "libopus"),
        ("film.webm", "libvpx", VP8, "libopus"),
        ("film.ts", "libx264", {"preset": "ultrafast"}, "aac"),
    ],
)
def test_every_picture_and_all_sound_come_in_time(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], sound_codec: str
) -> None:
    film = write_media(
        tmp_path / name, Pictures(codec=codec, options=options), Sound(2.5, codec=sound_codec)
    )
    decoder = FileDecoder(film)
    pictures, blocks = decoded(decoder)
    start = times(pictures)[0]

    assert numbers(pictures) == list(range(50))
    assert times(pictures) == pytest.approx([start + n / 25 for n in range(50)], abs=0.001)
    assert start < 0.03  # a transport stream's sound starts a codec frame before its pictures
    assert [block.pts for block in blocks] == [960 * n for n in range(len(blocks))]
    assert {block.samples.shape for block in blocks[:-1]} == {(960, 2)}
    assert float(blocks[-1].time) == pytest.approx(2.5, abs=0.05)
    assert [beep - start for beep in beeps(blocks) if beep > 0.5] == pytest.approx(
        [1, 2], abs=0.002
    )
    assert not decoder.damaged


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv", "late.ts"])
def test_a_file_starts_with_its_first_track_and_the_other_keeps_its_distance(
    tmp_path: Path, name: str
) -> None:
    film = write_media(
        tmp_path / name, Pictures(start_s=Fraction(5)), Sound(2.5, start_s=Fraction(11, 2))
    )
    decoder = FileDecoder(film)
    pictures, blocks = decoded(decoder)

    assert times(pictures)[0] == 0
    assert numbers(pictures)[0] == 0
    assert [beep for beep in beeps(blocks) if beep > 1] == pytest.approx([1.5, 2.5], abs=0.002)
    assert float(decoder.contents.length_s or 0) == pytest.approx(3.0, abs=0.05)
    assert not decoder.damaged


def test_pictures_keep_their_uneven_times(tmp_path: Path) -> None:
    uneven = (0.0, 0.1, 0.15, 0.9, 2.5)
    film = write_media(tmp_path / "vfr.mp4", Pictures(times=uneven), Sound(3.0))

    pictures, _ = decoded(FileDecoder(film))

    assert times(pictures) == pytest.approx(uneven, abs=0.001)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_file_may_have_one_track_only(tmp_path: Path, kind: Kind) -> None:
    pictures, sound = Pictures(count=5), Sound(0.2)
    film = write_media(
        tmp_path / "half.mp4",
        pictures if kind is Kind.VIDEO else None,
        sound if kind is Kind.AUDIO else None,
    )
    decoder = FileDecoder(film)

    other = Kind.AUDIO if kind is Kind.VIDEO else Kind.VIDEO

    assert decoder.contents.kinds == {kind}
    assert decoder.next(other) is None
    assert decoder.ended(other)
    assert not decoder.ended(kind)
    assert [bool(track) for track in decoded(decoder)] == [kind is Kind.VIDEO, kind is Kind.AUDIO]


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    song = write_media(tmp_path / "song.m4a", None, Sound(0.2))
    with av.open(str(song)) as source, av.open(str(tmp_path / "cover.mp4"), "w") as target:
        sound = target.add_stream_from_template(source.streams.audio[0])
        cover = target.add_stream("mjpeg")
        assert isinstance(cover, av.VideoStream)
        cover.width, cover.height, cover.pix_fmt = 320, 180, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        target.mux(cover.encode(av.VideoFrame(320, 180, "yuvj420p")))
        for packet in source.demux(audio=0):
            packet.stream = sound
            if packet.size:
                target.mux(packet)

    assert FileDecoder(tmp_path / "cover.mp4").contents.kinds == {Kind.AUDIO}


def test_only_what_is_asked_for_is_decoded(tmp_path: Path) -> None:
    film = write_media(tmp_path / "film.mkv", Pictures(), Sound(0.5))
    decoder = FileDecoder(film, kinds={Kind.AUDIO})
    pictures, blocks = decoded(decoder)

    assert not pictures
    assert float(blocks[-1].time) == pytest.approx(0.5, abs=0.03)
    assert not decoder.damaged


@pytest.mark.parametrize(("layout", "channels"), [("mono", 1), ("stereo", 2), ("5.1", 2)])
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_sound_comes_at_48_khz_in_one_channel_or_two(
    tmp_path: Path, layout: str, channels: int, rate: int
) -> None:
    song = write_media(tmp_path / "song.m4a", None, Sound(2.5, rate=rate, layout=layout))
    decoder = FileDecoder(song)
    _, blocks = decoded(decoder)

    assert decoder.contents.channels == channels
    assert blocks[0].samples.shape == (960, channels)
    assert [beep for beep in beeps(blocks) if beep > 0.5] == pytest.approx([1, 2], abs=0.002)


def test_a_phone_film_that_was_held_upright_stands_upright(tmp_path: Path) -> None:
    film = write_media(tmp_path / "phone.mp4", Pictures(count=3))
    lying, _ = decoded(FileDecoder(film))
    data = bytearray(film.read_bytes())
    # What phones write: (x, y) -> (-y, x), a quarter turn clockwise (ISO 14496-12, 8.3.2.3).
    header = data.index(b"tkhd") + 4
    data[header + 40 : header + 76] = struct.pack(
        ">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 180 << 16, 0, 1 << 30
    )
    film.write_bytes(data)

    [standing, *_], _ = decoded(FileDecoder(film))

    assert (standing.width, standing.height) == (180, 320)
    np.testing.assert_array_equal(standing.i420[:320], np.rot90(lying[0].i420[:180], -1))


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_rotated_film_is_turned_the_other_way_than_it_was_stored(
    tmp_path: Path, rotation: int
) -> None:
    pictures = Pictures(count=3, rotation=rotation)
    film = write_media(tmp_path / "turned.mp4", pictures)
    plain = write_media(tmp_path / "plain.mp4", Pictures(count=3))

    [turned, *_], _ = decoded(FileDecoder(film))
    [stored, *_], _ = decoded(FileDecoder(plain))

    for size, start in ((1, 0), (2, 320 * 180), (2, 320 * 180 * 5 // 4)):

        def plane(frame: VideoFrame, size: int = size, start: int = start) -> np.ndarray:
            width, height = frame.width // size, frame.height // size
            flat = frame.i420.reshape(-1)[start : start + width * height]
            return flat.reshape(height, width)

        np.testing.assert_array_equal(plane(turned), np.rot90(plane(stored), rotation // 90))


@pytest.mark.parametrize(
    ("pictures", "size"),
    [
        (Pictures(3, 641, 359, codec="libvpx", options=VP8), (640, 358)),
        (Pictures(3, 641, 359, pixel_format="yuv444p"), (640, 358)),
        (Pictures(3, pixel_format="yuv420p10le"), (320, 180)),
        (Pictures(3, 240, 180, pixel_aspect=Fraction(4, 3)), (320, 180)),
    ],
    ids=["odd", "odd and 4:4:4", "10 bits", "pixels that aren't square"],
)
def test_pictures_come_in_even_sizes_and_8_bits(
    tmp_path: Path, pictures: Pictures, size: tuple[int, int]
) -> None:
    film = write_media(tmp_path / "odd.mkv", pictures)

    found, _ = decoded(FileDecoder(film))

    assert [(picture.width, picture.height) for picture in found] == [size] * 3
    assert numbers(found) == [0, 1, 2]


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.ts"])
def test_playing_can_start_anywhere(tmp_path: Path, name: str) -> None:
    film = write_media(tmp_path / name, Pictures(), Sound(2.5))
    whole, _ = decoded(FileDecoder(film))
    first = times(whole)[0]
    pictures, blocks = decoded(FileDecoder(film, start_s=first + 1.01))

    assert numbers(pictures) == list(range(25, 50))
    assert times(pictures)[:2] == pytest.approx([0, 0.03], abs=0.002)
    assert beeps(blocks) == pytest.approx([0.99], abs=0.002)


def test_the_last_picture_stays_when_playing_starts_after_it(tmp_path: Path) -> None:
    film = write_media(tmp_path / "film.mp4", Pictures(times=(0.0, 0.5, 1.0)), Sound(3.0))

    pictures, blocks = decoded(FileDecoder(film, start_s=1.01))

    assert (numbers(pictures), times(pictures)) == ([2], [0.0])
    assert float(blocks[-1].time) == pytest.approx(1.98, abs=0.03)


def test_100_rounds_follow_each_other_without_a_gap_or_a_growing_skew(tmp_path: Path) -> None:
    film = write_media(
        tmp_path / "film.mp4", Pictures(count=15, fps=Fraction(30_000, 1001)), Sound(0.42)
    )
    decoder = FileDecoder(film, loop=True)
    round_s = Fraction(15 * 1001, 30_000)

    pictures, blocks = decoded(decoder, float(100 * round_s))
    firsts = [picture for picture, n in zip(pictures, numbers(pictures), strict=True) if n == 0]

    assert [picture.pts for picture in firsts] == [n * 45_045 for n in range(len(firsts))]
    assert len(firsts) == 101
    assert [block.pts for block in blocks] == [960 * n for n in range(len(blocks))]
    sound = np.concatenate([block.samples for block in blocks])[:, 0]
    in_round = int(round_s * 48_000)
    np.testing.assert_array_equal(
        sound[99 * in_round : 100 * in_round], sound[3 * in_round : 4 * in_round]
    )


def test_a_loop_that_started_late_begins_again_at_the_start(tmp_path: Path) -> None:
    film = write_media(tmp_path / "film.mp4", Pictures(count=10))

    pictures, _ = decoded(FileDecoder(film, loop=True, start_s=0.2), 0.5)

    assert numbers(pictures)[:9] == [5, 6, 7, 8, 9, 0, 1, 2, 3]
    assert times(pictures)[:9] == pytest.approx([n / 25 for n in range(9)], abs=0.001)


def test_a_loop_ends_with_a_warning_once_the_file_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    film = write_media(tmp_path / "film.mp4", Pictures(count=10))
    decoder = FileDecoder(film, loop=True)
    film.unlink()

    pictures, _ = decoded(decoder)

    assert numbers(pictures) == list(range(10))
    assert decoder.damaged
    assert "there is no such file" in caplog.text


@pytest.mark.parametrize(
    ("name", "options"),
    [("cut.mkv", {}), ("cut.mp4", {"movflags": "faststart"})],
)
def test_a_file_that_is_cut_off_plays_as_far_as_it_goes_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, options: dict[str, str]
) -> None:
    film = write_media(tmp_path / name, Pictures(), Sound(2.0), options=options)
    decoder = FileDecoder(cut_short(film, 0.6))

    pictures, blocks = decoded(decoder)

    assert 15 < len(pictures) < 45
    assert numbers(pictures)[:15] == list(range(15))
    assert 0.5 < float(blocks[-1].time) < 1.7
    assert decoder.damaged
    [warning] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "cut." in warning.getMessage()


def test_pictures_that_are_damaged_are_left_out_and_the_rest_plays(tmp_path: Path) -> None:
    film = write_media(tmp_path / "film.mkv", Pictures(count=100, options={"g": "10"}))
    data = bytearray(film.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    film.write_bytes(data)
    decoder = FileDecoder(film)

    pictures, _ = decoded(decoder)

    assert decoder.damaged
    assert numbers(pictures)[0] == 0
    assert numbers(pictures)[-1] == 99


def test_what_is_no_media_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("Dear Sir or Madam, " * 50)
    (tmp_path / "playlist.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n")
    cut = cut_short(write_media(tmp_path / "cut.mp4", Pictures(count=5)), 0.5)

    for path, reason in (
        (tmp_path / "missing.mp4", "there is no such file"),
        (tmp_path, "it is not a file"),
        (tmp_path / "empty.mp4", "it is empty"),
        (tmp_path / "text.mp4", "it is no media file"),
        (tmp_path / "playlist.m3u8", "it is no media file"),
        (cut, "cut off so early"),
    ):
        with pytest.raises(MediaFileError, match=reason):
            FileDecoder(path)


def test_a_file_without_what_is_wanted_is_refused_and_says_what_it_has(tmp_path: Path) -> None:
    song = write_media(tmp_path / "song.m4a", None, Sound(0.2))

    with pytest.raises(MediaFileError, match="no video that can be decoded; it has audio"):
        FileDecoder(song, kinds={Kind.VIDEO})


def test_a_start_after_the_end_is_refused_and_says_how_long_the_file_is(tmp_path: Path) -> None:
    song = write_media(tmp_path / "song.m4a", None, Sound(0.5))

    with pytest.raises(MediaFileError, match=r"it is 0\.5 s long"):
        FileDecoder(song, start_s=9)
