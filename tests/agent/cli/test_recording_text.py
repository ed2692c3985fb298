from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from agent.cli.recording_text import files_table, progress_line, rescue_line, summary
from agent.media import Codec, Kind
from agent.recording.manifest import (
    FileEntry,
    GapEntry,
    GapReason,
    Manifest,
    RoomEntry,
    SizeEntry,
    SkewEntry,
    State,
    Stop,
    TrackEntry,
)
from agent.recording.recorder import Progress
from agent.recording.recovery import Rescue
from agent.room import Source

PROGRESS = Progress(
    seconds=65,
    bytes=1_500_000,
    tracks={"ann": [Source.CAMERA, Source.MICROPHONE], "bob": []},
    gaps=0,
    dropped=0,
    waiting_for="",
)


def track(source: Source, kind: Kind, codec: Codec, gaps: list[GapEntry]) -> TrackEntry:
    return TrackEntry(
        identity="ann",
        source=source,
        kind=kind,
        codec=codec,
        engine="sdk",
        files=["participants/ann.mkv"],
        start_s=0,
        duration_s=30,
        gaps=gaps,
        sizes=[SizeEntry(at_s=0, width=w, height=h) for w, h in ((320, 180), (1280, 720))]
        if kind is Kind.VIDEO
        else [],
    )


@pytest.fixture
def manifest() -> Manifest:
    muted = GapEntry(start_s=5, end_s=15.1, reason=GapReason.MUTED)
    gone = GapEntry(start_s=5, end_s=6, reason=GapReason.RECONNECTING)
    return Manifest(
        id="1",
        room=RoomEntry(name="demo"),
        state=State.COMPLETE,
        started_at=datetime(2026, 11, 23, tzinfo=UTC),
        duration_s=31.02,
        end_reason=Stop.STOPPED,
        tracks=[
            track(Source.CAMERA, Kind.VIDEO, Codec.H264, [muted, gone]),
            track(Source.MICROPHONE, Kind.AUDIO, Codec.OPUS, []),
        ],
        av_skew_ms={"ann": SkewEntry(median=-4.4, p95=11)},
        files=[
            FileEntry(
                path="participants/ann.mkv",
                start_s=0,
                duration_s=30,
                bytes=1234,
                sha256="",
                container="matroska",
            )
        ],
    )


def printed(manifest: Manifest) -> str:
    file = StringIO()
    Console(file=file, width=120).print(files_table(manifest))
    return file.getvalue()


@pytest.mark.parametrize(
    "shown",
    [
        "participants/ann.mkv",
        "camera h264 1280x720",
        "microphone opus",
        " 30.0 ",
        "2, 11.1 s",
        "muted, reconnecting",
        "-4 ms",
        "1.2 kB",
    ],
)
def test_a_row_tells_what_a_file_holds(shown: str, manifest: Manifest) -> None:
    assert shown in printed(manifest)


def test_sound_alone_has_no_skew(manifest: Manifest) -> None:
    manifest.tracks = manifest.tracks[1:]

    assert "ms" not in printed(manifest)


def test_a_summary_is_where_what_how_long_and_why(manifest: Manifest) -> None:
    assert summary(Path("rec/a"), manifest) == "rec/a: complete, 31.0 s (stopped)"


@pytest.mark.parametrize("stop", list(Stop))
def test_every_end_has_words(stop: Stop, manifest: Manifest) -> None:
    manifest.end_reason = stop

    words = summary(Path("rec"), manifest).partition("(")[2]
    assert words
    assert "_" not in words


def test_progress_is_told_on_one_line() -> None:
    assert progress_line(PROGRESS) == "01:05 recorded · 1.5 MB · ann: camera, microphone"


@pytest.mark.parametrize(
    ("progress", "end"),
    [
        (replace(PROGRESS, gaps=1), " · 1 gap"),
        (replace(PROGRESS, gaps=2, dropped=7), " · 2 gaps · 7 frames dropped"),
        (replace(PROGRESS, waiting_for="the connection"), " · waiting for the connection"),
    ],
)
def test_what_is_amiss_comes_last(progress: Progress, end: str) -> None:
    assert progress_line(progress).endswith(end)


def test_a_rescue_is_told_on_one_line(manifest: Manifest) -> None:
    folder = Path("rec/a")

    told = [
        rescue_line(rescue)
        for rescue in (
            Rescue(folder, manifest, recovered=True),
            Rescue(folder, manifest),
            Rescue(folder, manifest, owner="process 7 on host"),
            Rescue(folder, problems=["a.mkv holds no media", "b.mkv too"]),
        )
    ]

    assert told == [
        "rec/a is recovered: 31.0 s in 1 file",
        "rec/a needs nothing",
        "rec/a is left alone: process 7 on host is still at it",
        "rec/a is damaged: a.mkv holds no media; b.mkv too",
    ]
