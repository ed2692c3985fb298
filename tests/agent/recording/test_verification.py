from dataclasses import replace
from pathlib import Path

import pytest

from agent.media import Codec, EncodedFrame, Kind
from agent.recording.scan import Gap
from agent.recording.sink import digest
from agent.recording.verification import (
    Depth,
    FileExpectation,
    FileReport,
    FindingKind,
    StreamExpectation,
    check_file,
)
from tests.films import encoded, late_audio, pictures, sound, write_part

VIDEO = StreamExpectation(Kind.VIDEO, Codec.H264, 0, 4)
AUDIO = StreamExpectation(Kind.AUDIO, Codec.OPUS, 0, 4)


@pytest.fixture(scope="module")
def film() -> list[EncodedFrame]:
    return encoded(pictures(4), sound(4))


@pytest.fixture
def path(tmp_path: Path, film: list[EncodedFrame]) -> Path:
    return write_part(tmp_path / "ann.mkv", film).path


def expected(path: Path, **changes: object) -> FileExpectation:
    whole = FileExpectation((VIDEO, AUDIO), 4.0, path.stat().st_size, digest(path))
    return replace(whole, **changes)  # type: ignore[arg-type]


def kinds(report: FileReport) -> list[FindingKind]:
    return [finding.kind for finding in report.findings]


@pytest.mark.parametrize("depth", ["quick", "full"])
def test_a_file_that_is_as_expected_passes(path: Path, depth: Depth) -> None:
    report = check_file(path, expected(path), depth)

    assert report.passed
    assert report.streams[Kind.VIDEO].packets == 120
    assert report.pictures_decoded == (2 if depth == "quick" else 120)
    assert report.samples_decoded == (0 if depth == "quick" else pytest.approx(192_000, abs=960))


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    report = check_file(tmp_path / "ann.mkv", FileExpectation((VIDEO,)))

    assert [str(finding) for finding in report.findings] == [
        "ann.mkv can't be read: No such file or directory"
    ]


def test_a_file_that_is_no_media_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ann.mkv"
    path.write_bytes(b"no media at all" * 100)

    report = check_file(path, FileExpectation((VIDEO,)))

    assert kinds(report) == [FindingKind.UNREADABLE]
    assert "can't be read as media" in str(report.findings[0])


def test_a_file_that_was_changed_is_told(path: Path) -> None:
    before = expected(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    report = check_file(path, before)

    assert FindingKind.HASH in kinds(report)
    assert FindingKind.SIZE not in kinds(report)


def test_a_file_that_was_cut_is_told_with_where(path: Path) -> None:
    before = expected(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])

    report = check_file(path, before)

    assert {FindingKind.SIZE, FindingKind.HASH, FindingKind.END, FindingKind.DURATION} <= set(
        kinds(report)
    )
    sentences = " ".join(str(finding) for finding in report.findings)
    assert f"has {len(content) // 2} bytes instead of {len(content)}" in sentences
    assert "ann.mkv lasts 1.97 s instead of 4.00 s" in sentences


@pytest.mark.parametrize(
    ("streams", "sentence"),
    [
        ((VIDEO,), "ann.mkv has audio, which nobody published"),
        ((VIDEO, replace(AUDIO, start_s=1.0)), "ann.mkv has audio from -0.01 s on instead of 1.00"),
        ((VIDEO, replace(AUDIO, end_s=5.0)), "ann.mkv has audio up to 4.01 s instead of 5.00 s"),
        ((replace(VIDEO, codec=Codec.VP8), AUDIO), "ann.mkv has video in h264 instead of vp8"),
    ],
)
def test_what_differs_is_told_in_a_sentence(
    path: Path, streams: tuple[StreamExpectation, ...], sentence: str
) -> None:
    report = check_file(path, expected(path, streams=streams))

    (finding,) = report.findings
    assert str(finding).startswith(sentence)


def test_a_kind_that_is_missing_is_told(tmp_path: Path) -> None:
    path = write_part(tmp_path / "ann.mkv", encoded(pictures(4))).path

    report = check_file(path, expected(path))

    assert [str(finding) for finding in report.findings] == ["ann.mkv has no audio"]


def with_a_hole(path: Path) -> Path:
    audio = [*sound(1), *(late_audio(frame, 2) for frame in sound(2))]
    return write_part(path, encoded(pictures(4), audio)).path


def test_a_gap_that_nobody_knows_of_is_told(tmp_path: Path) -> None:
    path = with_a_hole(tmp_path / "ann.mkv")

    report = check_file(path, expected(path))

    (finding,) = report.findings
    assert finding.kind is FindingKind.GAP
    assert finding.at_s == pytest.approx(1.01, abs=0.02)
    assert "has no audio from 1.0" in str(finding)


def test_a_gap_that_is_known_is_none(tmp_path: Path) -> None:
    path = with_a_hole(tmp_path / "ann.mkv")
    streams = (VIDEO, replace(AUDIO, gaps=(Gap(1.0, 2.0),)))

    assert check_file(path, expected(path, streams=streams)).passed


def test_a_gap_that_is_longer_than_known_is_told(tmp_path: Path) -> None:
    path = with_a_hole(tmp_path / "ann.mkv")
    streams = (VIDEO, replace(AUDIO, gaps=(Gap(1.0, 1.5),)))

    assert kinds(check_file(path, expected(path, streams=streams))) == [FindingKind.GAP]


@pytest.mark.parametrize("still", [True, False])
def test_a_screen_may_stand_still(tmp_path: Path, still: bool) -> None:
    shown = list(pictures(4))
    path = write_part(tmp_path / "ann.mkv", encoded([*shown[:10], *shown[-10:]])).path
    streams = (replace(VIDEO, may_stand_still=still),)

    assert check_file(path, expected(path, streams=streams)).passed is still


def test_pictures_that_are_spoilt_fail_a_full_check(
    tmp_path: Path, film: list[EncodedFrame]
) -> None:
    spoilt = [
        replace(frame, data=frame.data[: len(frame.data) // 2])
        if frame.codec is Codec.H264 and not frame.key and 1 < frame.time < 1.2
        else frame
        for frame in film
    ]
    path = write_part(tmp_path / "ann.mkv", spoilt).path

    quick, full = check_file(path, expected(path)), check_file(path, expected(path), "full")

    assert quick.passed
    assert [str(finding) for finding in full.findings] == [
        "ann.mkv has video that can't be decoded at 1.0 s"
    ]


def test_key_frames_that_are_spoilt_fail_a_quick_check(
    tmp_path: Path, film: list[EncodedFrame]
) -> None:
    spoilt = [
        replace(frame, data=frame.data[:60] + b"\xff" * (len(frame.data) - 60))
        if frame.codec is Codec.H264 and frame.key and frame.time > 1
        else frame
        for frame in film
    ]
    path = write_part(tmp_path / "ann.mkv", spoilt).path

    assert kinds(check_file(path, expected(path))) == [FindingKind.DECODING]


def test_packets_that_are_no_sound_are_a_gap(tmp_path: Path, film: list[EncodedFrame]) -> None:
    spoilt = [
        replace(frame, data=b"\xff\xff\xff")  # more frames than a packet can have
        if frame.codec is Codec.OPUS and 1 < frame.time < 1.1
        else frame
        for frame in film
    ]
    path = write_part(tmp_path / "ann.mkv", spoilt).path

    assert kinds(check_file(path, expected(path))) == [FindingKind.GAP]


def test_a_hole_torn_into_the_middle_is_told(path: Path) -> None:
    before = expected(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)

    report = check_file(path, before, "full")

    assert not report.passed
    assert len(kinds(report)) > 1
