import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from agent.errors import RecordingError
from agent.media import Codec, Kind
from agent.recording.manifest import (
    MANIFEST_NAME,
    FileEntry,
    GapEntry,
    GapReason,
    Manifest,
    MarkEntry,
    ParticipantEntry,
    RoomEntry,
    SegmentEntry,
    SizeEntry,
    SkewEntry,
    State,
    Stop,
    TrackEntry,
    UploadEntry,
    schema,
)
from agent.room import Source

MOMENT = datetime(2026, 11, 23, 10, 15, 2, 123456, tzinfo=UTC)


def small() -> Manifest:
    return Manifest(id="r1", room=RoomEntry(name="lobby"), state=State.RECORDING, started_at=MOMENT)


def full() -> Manifest:
    """Return one that has every field filled."""
    track = TrackEntry(
        identity="ann",
        source=Source.CAMERA,
        kind=Kind.VIDEO,
        codec=Codec.VP8,
        engine="encoded",
        files=["participants/ann.mkv"],
        start_s=0.412,
        duration_s=30.5,
        segments=[SegmentEntry(sid="TR_1", start_s=0.412, end_s=12.1)],
        gaps=[GapEntry(start_s=5.0, end_s=15.1, reason=GapReason.MUTED)],
        sizes=[SizeEntry(at_s=0.412, width=1280, height=720)],
        frames=905,
        dropped=1,
        concealed_s=0.5,
    )
    return Manifest(
        id="r1",
        room=RoomEntry(name="lobby", sids=["RM_1"]),
        state=State.COMPLETE,
        continues="r0",
        started_at=MOMENT,
        ended_at=MOMENT,
        duration_s=31.02,
        end_reason=Stop.STOPPED,
        control="/run/x.sock",
        participants=[ParticipantEntry(identity="ann", name="Ann", joined_s=0.4, left_s=3.0)],
        tracks=[track],
        av_skew_ms={"ann": SkewEntry(median=4.1, p95=11.0)},
        marks=[MarkEntry(at_s=9.1, text="hört, hört 🎉")],
        files=[
            FileEntry(
                path="participants/ann.mkv",
                start_s=0.412,
                duration_s=30.5,
                bytes=1234,
                sha256="ab",
                container="matroska",
                checked="quick",
            )
        ],
        uploads=[UploadEntry(to="archive", path="x", state="done", attempts=1, at=MOMENT)],
    )


@pytest.mark.parametrize("make", [small, full])
@pytest.mark.parametrize("durable", [True, False])
def test_what_is_saved_is_loaded(
    tmp_path: Path, make: Callable[[], Manifest], durable: bool
) -> None:
    make().save(tmp_path, durable=durable)

    assert Manifest.load(tmp_path) == make()


@pytest.mark.parametrize("make", [small, full])
def test_the_published_schema_fits_what_is_written(make: Callable[[], Manifest]) -> None:
    rules = json.loads(schema())

    jsonschema.Draft202012Validator.check_schema(rules)
    jsonschema.validate(json.loads(make().model_dump_json()), rules)


def test_the_published_schema_refuses_what_is_no_manifest() -> None:
    body = json.loads(full().model_dump_json())

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(body | {"extra": 1}, json.loads(schema()))


def test_the_words_are_those_that_were_promised(tmp_path: Path) -> None:
    full().save(tmp_path)

    body = json.loads((tmp_path / MANIFEST_NAME).read_text())

    assert body["version"] == 1
    assert body["started_at"] == "2026-11-23T10:15:02.123456Z"
    assert body["state"] == "complete"
    assert body["end_reason"] == "stopped"
    assert body["tracks"][0]["source"] == "camera"
    assert body["tracks"][0]["codec"] == "vp8"
    assert body["tracks"][0]["gaps"] == [{"start_s": 5.0, "end_s": 15.1, "reason": "muted"}]
    assert body["av_skew_ms"] == {"ann": {"median": 4.1, "p95": 11.0}}


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    small().save(tmp_path)

    assert stat.S_IMODE((tmp_path / MANIFEST_NAME).stat().st_mode) == 0o600


def test_a_reader_never_sees_half_of_it(tmp_path: Path) -> None:
    small().save(tmp_path)
    with (tmp_path / MANIFEST_NAME).open() as before:
        full().save(tmp_path)

        assert json.load(before)["state"] == "recording"

    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST_NAME]


def test_one_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    small().save(tmp_path)
    (tmp_path / f"{MANIFEST_NAME}.new").mkdir()

    with pytest.raises(OSError, match="Is a directory"):
        full().save(tmp_path)

    assert Manifest.load(tmp_path) == small()


def changed(**changes: object) -> str:
    return json.dumps(json.loads(full().model_dump_json()) | changes)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (changed(version=2), "version"),
        (changed(colour="red"), "colour"),
        (changed(duration_s=-1), "duration_s"),
        (changed(state="done"), "state"),
        (changed(participants=[{"identity": "ann"}]), "participants.0.joined_s"),
        ("[]", "the whole"),
        ("{", "the whole"),
        ("", "the whole"),
    ],
)
def test_what_is_no_manifest_is_refused_with_the_place(
    tmp_path: Path, text: str, where: str
) -> None:
    (tmp_path / MANIFEST_NAME).write_text(text)

    with pytest.raises(RecordingError) as raised:
        Manifest.load(tmp_path)

    assert raised.value.reason.startswith(f"not a manifest of version 1: {where}: ")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_bytes(b'{"id": "\xff\xfe"}')

    with pytest.raises(RecordingError, match="not a manifest of version 1"):
        Manifest.load(tmp_path)


def test_a_folder_without_one_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(RecordingError) as raised:
        Manifest.load(tmp_path)

    assert str(raised.value) == f"{tmp_path}: no recording: it has no manifest.json"


def test_a_file_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").touch()

    with pytest.raises(RecordingError, match="Not a directory"):
        Manifest.load(tmp_path / "a.mkv")


@pytest.mark.parametrize("state", State)
def test_a_recording_that_runs_has_an_owner_or_needs_rescue(state: State) -> None:
    assert state.is_running == (state in ("recording", "paused", "finishing"))


def test_a_wrong_figure_is_refused_where_it_is_set() -> None:
    manifest = small()

    with pytest.raises(ValueError, match="greater than or equal to 0"):
        manifest.duration_s = -0.1
