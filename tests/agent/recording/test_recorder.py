import asyncio
import json
import stat
from pathlib import Path

import numpy as np
import pytest

from agent.errors import JoinError
from agent.media import VIDEO_CLOCK_RATE, AudioFrame, Kind, VideoFrame
from agent.recording.folder import RecordingFolder
from agent.recording.ledger import RESERVE_NAME, utc_now
from agent.recording.manifest import State, Stop
from agent.recording.recorder import RECORDING_ATTRIBUTE, RecordingOptions
from agent.recording.scan import scan
from agent.room import EndReason, Reconnected, Reconnecting, Source
from agent.tracks.pattern import source_id
from tests.agent.recording.probes import largest_file
from tests.agent.recording.studio import FPS, Guest, Studio, near
from tests.doubles import ManualClock, settle
from tests.fake_room import Grant
from tests.perceive import Perception
from tests.waiting import soon

CAMERA, MICROPHONE = Source.CAMERA, Source.MICROPHONE
SCREEN, SCREEN_AUDIO = Source.SCREEN_SHARE, Source.SCREEN_SHARE_AUDIO
FULL = JoinError("lobby", "ws://fake", "the room is full")


@pytest.fixture
def studio(clock: ManualClock, tmp_path: Path) -> Studio:
    return Studio(clock, tmp_path)


def is_whole(seen: Perception, start_s: float, end_s: float, *, file_start_s: float) -> bool:
    """Whether every picture and beep of that time is there, once, and at its time."""
    numbers = range(round(start_s * FPS), round(end_s * FPS))
    times = [picture.time_s for picture in seen.pictures if picture.reading]
    assert seen.numbers() == list(numbers)
    assert times == pytest.approx([n / FPS - file_start_s for n in numbers], abs=0.0011)
    assert seen.sound is not None
    beeps = [float(second) for second in range(1 + int(start_s), int(end_s))]
    heard = [beep + file_start_s for beep in seen.sound.beeps()]
    assert [beep for beep in heard if beep > start_s + 0.2] == pytest.approx(beeps, abs=0.005)
    assert seen.sound.holes == ()
    return True


# What is recorded


async def test_a_participant_is_recorded_as_they_were(studio: Studio) -> None:
    async with studio.recording():
        await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(5.0)

    assert studio.stop is Stop.STOPPED
    assert studio.files() == {"ann.mkv"}
    assert is_whole(studio.seen("ann.mkv"), 0.0, 5.0, file_start_s=0.0)
    manifest = studio.manifest
    assert (manifest.state, manifest.end_reason) == (State.FINISHING, Stop.STOPPED)
    assert manifest.duration_s == pytest.approx(5.0)
    assert manifest.ended_at is not None
    assert (manifest.ended_at - manifest.started_at).total_seconds() == pytest.approx(5.0)
    assert manifest.room.sids == ["RM_lobby"]
    assert [p.name for p in manifest.participants] == ["Ann"]
    for source in (CAMERA, MICROPHONE):
        track = studio.track("ann", source)
        assert track.start_s == pytest.approx(0.0, abs=0.001)
        assert track.gaps == []
        assert track.duration_s == pytest.approx(5.0, abs=0.11)
        assert track.files == ["participants/ann.mkv"]
    assert studio.track("ann", CAMERA).frames == 50
    assert studio.track("ann", MICROPHONE).frames == 50


async def test_who_was_there_before_the_recorder_is_recorded(studio: Studio) -> None:
    await studio.guest("ann", CAMERA, MICROPHONE)
    async with studio.recording():
        await studio.play(2.0)

    assert is_whole(studio.seen("ann.mkv"), 0.0, 2.0, file_start_s=0.0)


async def test_who_joins_late_begins_late(studio: Studio) -> None:
    async with studio.recording():
        await studio.play(2.0)
        await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(3.0)

    (file,) = studio.manifest.files
    assert file.start_s == pytest.approx(2.0, abs=0.001)
    assert file.duration_s == pytest.approx(3.0, abs=0.11)
    assert is_whole(studio.seen("ann.mkv"), 2.0, 5.0, file_start_s=file.start_s)
    assert studio.track("ann", CAMERA).start_s == pytest.approx(2.0, abs=0.001)
    assert studio.manifest.participants[0].joined_s == pytest.approx(2.0, abs=0.001)


async def test_each_participant_has_a_file(studio: Studio) -> None:
    async with studio.recording():
        await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(1.0)
        await studio.guest("../Ben", CAMERA, MICROPHONE)
        await studio.guest("Ann", MICROPHONE)
        await studio.play(2.0)

    assert {"ann.mkv", "%2E.%2FBen.mkv"} < studio.files()
    assert len({name.casefold() for name in studio.files()}) == 3
    assert studio.seen("ann.mkv").source_ids() == {source_id("ann")}
    assert studio.seen("%2E.%2FBen.mkv").source_ids() == {source_id("../Ben")}


async def test_files_and_folder_are_for_their_owner_alone(studio: Studio) -> None:
    async with studio.recording():
        await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(3.0)
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode)
            for path in studio.folder.path.rglob("*")
            if path.is_file()
        }

    assert {"ann.mkv", "manifest.json", "events.jsonl", RESERVE_NAME} <= set(modes)
    assert set(modes.values()) == {0o600}


async def test_a_shared_screen_has_a_file_of_its_own(studio: Studio) -> None:
    async with studio.recording():
        ann = await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(1.0)
        ann.publish(SCREEN)
        ann.publish(SCREEN_AUDIO)
        await studio.play(2.0)

    assert studio.files() == {"ann.mkv", "ann--screen.mkv"}
    assert studio.track("ann", SCREEN).files == ["participants/ann--screen.mkv"]
    assert studio.seen("ann--screen.mkv").numbers() == list(range(10, 30))
    assert is_whole(studio.seen("ann.mkv"), 0.0, 3.0, file_start_s=0.0)


async def test_the_one_picture_of_a_still_screen_is_recorded(studio: Studio) -> None:
    async with studio.recording():
        ann = await studio.guest("ann")
        screen = ann.publish(SCREEN)
        await studio.play(0.2)
        ann.still = True
        await studio.play(5.0)
        ann.unpublish(screen)
        await studio.play(1.0)

    assert studio.seen("ann--screen.mkv").numbers() == [0, 1]
    assert studio.track("ann", SCREEN).gaps == []


async def test_tracks_of_no_known_source_are_recorded_beside_the_others(studio: Studio) -> None:
    async with studio.recording():
        ann = await studio.guest("ann", CAMERA, MICROPHONE)
        ann.publish(Source.UNKNOWN, Kind.AUDIO)
        ann.publish(Source.UNKNOWN, Kind.VIDEO)
        await studio.play(3.0)

    assert studio.files() == {"ann.mkv", "ann--unknown.mkv"}
    for name in studio.files():
        assert is_whole(studio.seen(name), 0.0, 3.0, file_start_s=0.0)


async def test_of_two_cameras_of_one_participant_the_later_one_is_recorded(
    studio: Studio,
) -> None:
    async with studio.recording():
        ann = await studio.guest("ann", CAMERA)
        await studio.play(1.0)
        first = ann.tracks[0]
        second = ann.publish(CAMERA)
        await settle()
        ann.tracks.remove(first)  # it still plays, another picture
        for _ in range(5):
            first.put(VideoFrame(np.zeros((540, 640), np.uint8), 95_000))
            await studio.play(0.2)
        first.stop()
        await studio.play(1.0)

    assert studio.seen("ann.mkv").numbers() == list(range(30))
    track = studio.track("ann", CAMERA)
    assert [segment.sid for segment in track.segments][-1] == second.info.sid
    assert track.gaps == []


# Interruptions


async def test_a_mute_is_a_gap_with_black_and_silence_in_the_file(studio: Studio) -> None:
    async with studio.recording():
        ann = await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(2.0)
        for track in ann.tracks:
            track.set_muted(muted=True)
        await studio.play(3.0)
        for track in ann.tracks:
            track.set_muted(muted=False)
        await studio.play(2.0)

    assert near(studio.gaps("ann", CAMERA), (1.9, 5.0, "muted"))
    assert near(studio.gaps("ann", MICROPHONE), (2.0, 5.0, "muted"))
    seen = studio.seen("ann.mkv")
    assert seen.numbers() == [*range(20), *range(50, 70)]
    black = [picture.time_s for picture in seen.pictures if picture.reading is None]
    assert black == pytest.approx([2.0, 3.0, 4.0], abs=0.1)
    assert seen.sound is not None
    (silence,) = seen.sound.silences()
    assert [silence.start_s, silence.end_s] == pytest.approx([2.0, 5.0], abs=0.03)
    assert seen.sound.beeps() == pytest.approx([1.0, 5.0, 6.0], abs=0.005)
    assert seen.sound.end_s == pytest.approx(7.0, abs=0.03)


async def test_a_microphone_that_joins_muted_is_recorded_from_its_first_sound(
    studio: Studio,
) -> None:
    async with studio.recording():
        ann = await studio.guest("ann", CAMERA)
        microphone = ann.room.start_track(Kind.AUDIO, MICROPHONE)
        microphone.set_muted(muted=True)
        await settle()
        await studio.play(3.0)
        microphone.set_muted(muted=False)
        ann.tracks.append(microphone)
        await studio.play(3.0)

    assert studio.track("ann", MICROPHONE).start_s == pytest.approx(3.0, abs=0.03)
    assert studio.gaps("ann", MICROPHONE) == []
    last = max(studio.manifest.files, key=lambda file: file.start_s)
    sound = studio.seen(Path(last.path).name).sound
    assert sound is not None
    heard = [beep + last.start_s for beep in sound.beeps()]
    assert [beep for beep in heard if beep > 3.2] == pytest.approx([4.0, 5.0], abs=0.005)


async def test_what_is_published_again_goes_on_in_the_same_file(studio: Studio) -> None:
    async with studio.recording():
        ann = await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(2.0)
        sids = [track.info.sid for track in ann.tracks]
        for track in list(ann.tracks):
            ann.unpublish(track)
        await studio.play(2.0)
        ann.publish(CAMERA)
        ann.publish(MICROPHONE)
        await settle()
        await studio.play(2.0)
        sids += [track.info.sid for track in ann.tracks]

    assert studio.files() == {"ann.mkv"}
    assert near(studio.gaps("ann", CAMERA), (1.9, 4.0, "unpublished"))
    assert near(studio.gaps("ann", MICROPHONE), (2.0, 4.0, "unpublished"))
    segments = [s.sid for it in (CAMERA, MICROPHONE) for s in studio.track("ann", it).segments]
    assert sorted(segments) == sorted(sids)
    assert studio.seen("ann.mkv").numbers() == [*range(20), *range(40, 60)]


async def test_who_leaves_and_comes_back_goes_on_in_the_same_file(studio: Studio) -> None:
    async with studio.recording():
        ann = await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.guest("ben", MICROPHONE)
        await studio.play(2.0)
        studio.leave(ann)
        await studio.play(2.0)
        gone = studio.recorder.manifest.participants[0].left_s
        await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(2.0)

    assert gone == pytest.approx(2.0, abs=0.03)
    assert studio.manifest.participants[0].left_s is None
    assert near(studio.gaps("ann", CAMERA), (1.9, 4.0, "left"))
    assert near(studio.gaps("ann", MICROPHONE), (2.0, 4.0, "left"))
    sound = studio.seen("ann.mkv").sound
    assert sound is not None
    assert sound.beeps() == pytest.approx([1.0, 4.0, 5.0], abs=0.005)


@pytest.mark.parametrize("muted", [False, True])
async def test_the_file_of_who_left_does_not_grow(studio: Studio, muted: bool) -> None:
    async with studio.recording():
        ann = await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.guest("ben", MICROPHONE)
        await studio.play(2.0)
        for track in ann.tracks:
            track.set_muted(muted=muted)
        await studio.play(0.5)
        studio.leave(ann)
        await studio.play(5.0)

    (file,) = [it for it in studio.manifest.files if it.path.endswith("ann.mkv")]
    assert file.duration_s < 3.2
    assert studio.gaps("ann", MICROPHONE) == []
    assert studio.manifest.participants[0].left_s == pytest.approx(2.5, abs=0.03)


async def test_sound_that_goes_on_through_a_mended_connection_is_kept(studio: Studio) -> None:
    async with studio.recording():
        await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(1.0)
        recorder = studio.rooms[-1]
        recorder.tell(Reconnecting(studio.clock.now()))
        await studio.play(2.0)
        recorder.tell(Reconnected(studio.clock.now()))
        await studio.play(1.0)

    assert is_whole(studio.seen("ann.mkv"), 0.0, 4.0, file_start_s=0.0)
    assert studio.gaps("ann", CAMERA) == studio.gaps("ann", MICROPHONE) == []
    assert all(picture.reading for picture in studio.seen("ann.mkv").pictures)


async def test_a_connection_that_breaks_and_is_mended_leaves_a_gap(studio: Studio) -> None:
    async with studio.recording():
        await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(2.0)
        studio.sfu.interrupt(studio.rooms[-1])
        await studio.play(2.0)
        assert studio.recorder.progress.waiting_for == "the connection"
        studio.sfu.resume(studio.rooms[-1])
        await studio.play(2.0)

    assert near(studio.gaps("ann", CAMERA), (1.9, 4.0, "reconnecting"))
    assert near(studio.gaps("ann", MICROPHONE), (2.0, 4.0, "reconnecting"))
    assert studio.seen("ann.mkv").numbers() == [*range(20), *range(40, 60)]


async def test_who_is_muted_stays_so_over_a_mended_connection(studio: Studio) -> None:
    async with studio.recording():
        ann = await studio.guest("ann", MICROPHONE)
        await studio.play(1.0)
        (microphone,) = ann.tracks
        microphone.set_muted(muted=True)
        await studio.play(0.5)
        studio.sfu.interrupt(studio.rooms[-1])
        await studio.play(0.5)
        studio.sfu.resume(studio.rooms[-1])
        await settle()
        # The decoder of a muted track makes silence up.
        (remote,) = studio.rooms[-1].remote_tracks.values()
        for step in range(100, 150):
            remote.deliver(AudioFrame(np.zeros((960, 1), np.int16), 48_000, step * 960))
        await studio.play(1.0)
        microphone.set_muted(muted=False)
        await studio.play(1.0)

    assert near(studio.gaps("ann", MICROPHONE), (1.0, 3.0, "muted"))


async def test_after_a_full_reconnect_new_sids_go_on_in_the_same_file(studio: Studio) -> None:
    async with studio.recording():
        await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(2.0)
        studio.sfu.reconnect_fully(studio.rooms[-1])
        await settle()
        await studio.play(2.0)

    assert studio.files() == {"ann.mkv"}
    assert is_whole(studio.seen("ann.mkv"), 0.0, 4.0, file_start_s=0.0)


@pytest.mark.parametrize(
    ("reason", "gap"),
    [
        (EndReason.SERVER_SHUTDOWN, "reconnecting"),
        (EndReason.CONNECTION_LOST, "reconnecting"),
        (EndReason.ROOM_CLOSED, "room_closed"),
    ],
)
async def test_a_server_that_goes_down_and_comes_back_leaves_a_gap(
    studio: Studio, reason: EndReason, gap: str
) -> None:
    async with studio.recording():
        ann = await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(2.0)
        studio.sfu.refuse_joins(FULL)
        studio.guests.remove(ann)
        studio.sfu.drop_connections(reason)
        await studio.play(4.0)
        studio.sfu.accept_joins()
        await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(8.0)

    assert studio.stop is Stop.STOPPED
    assert studio.files() == {"ann.mkv"}
    ((start_s, end_s, why),) = studio.gaps("ann", MICROPHONE)
    assert start_s == pytest.approx(2.0, abs=0.1)
    assert why == gap
    assert 6.0 <= end_s <= 11.0
    seen = studio.seen("ann.mkv")
    assert seen.numbers()[:20] == list(range(20))
    assert seen.numbers()[-1] == 139
    for picture in seen.pictures:
        if picture.reading:
            assert picture.time_s == pytest.approx(picture.reading.number / FPS, abs=0.0011)
    assert seen.sound is not None
    assert seen.sound.beeps()[-1] == pytest.approx(13.0, abs=0.005)


# Ends


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        (EndReason.REMOVED, Stop.REMOVED),
        (EndReason.DUPLICATE_IDENTITY, Stop.DUPLICATE_IDENTITY),
    ],
)
async def test_a_recorder_that_is_put_out_ends_with_what_it_has(
    studio: Studio, reason: EndReason, stop: Stop
) -> None:
    async with studio.recording():
        await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(3.0)
        studio.sfu.end(studio.rooms[-1], reason)
        await studio.play(1.0)

    assert studio.stop is stop
    assert studio.manifest.end_reason is stop
    assert studio.manifest.duration_s == pytest.approx(3.0, abs=0.03)
    assert is_whole(studio.seen("ann.mkv"), 0.0, 3.0, file_start_s=0.0)


async def test_a_server_that_never_comes_back_ends_the_recording(studio: Studio) -> None:
    async with studio.recording(rejoin_s=20):
        ann = await studio.guest("ann", MICROPHONE)
        await studio.play(1.0)
        studio.guests.remove(ann)
        studio.sfu.refuse_joins(FULL)
        studio.sfu.drop_connections(EndReason.CONNECTION_LOST)
        await studio.play(30.0)

    assert studio.stop is Stop.CONNECTION_LOST


async def test_a_recording_ends_after_its_time(studio: Studio) -> None:
    async with studio.recording(RecordingOptions(seconds=2.0)):
        await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(4.0)

    assert studio.stop is Stop.LIMIT
    assert studio.manifest.duration_s == pytest.approx(2.0)
    sound = studio.seen("ann.mkv").sound
    assert sound is not None
    assert sound.end_s == pytest.approx(2.0, abs=0.05)


async def test_a_recording_ends_at_its_size(studio: Studio) -> None:
    async with studio.recording(RecordingOptions(max_bytes=20_000)):
        await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(8.0)

    assert studio.stop is Stop.LIMIT
    assert studio.manifest.duration_s < 6.0


async def test_a_room_that_stays_empty_ends_the_recording(studio: Studio) -> None:
    async with studio.recording(RecordingOptions(until_empty_s=3.0)) as recorder:
        await studio.play(2.0)
        assert recorder.progress.waiting_for == "someone who publishes"
        ann = await studio.guest("ann", MICROPHONE)
        await studio.play(5.0)
        assert recorder.progress.waiting_for == ""
        studio.leave(ann)
        await studio.guest("ben")  # who only listens
        await studio.play(4.0)

    assert studio.stop is Stop.ROOM_EMPTY
    assert studio.manifest.duration_s == pytest.approx(10.0, abs=0.6)


async def test_a_room_is_not_called_empty_while_the_connection_is_lost(studio: Studio) -> None:
    async with studio.recording(RecordingOptions(until_empty_s=3.0)):
        await studio.guest("ann", MICROPHONE)
        await studio.play(1.0)
        studio.sfu.refuse_joins(FULL)
        studio.sfu.end(studio.rooms[-1], EndReason.CONNECTION_LOST)
        await studio.play(5.0)
        studio.sfu.accept_joins()
        await studio.play(5.5)

    assert studio.stop is Stop.STOPPED


# Whom


async def test_other_recorders_are_not_recorded(studio: Studio) -> None:
    async with studio.recording(RecordingOptions(until_empty_s=2.0)):
        await studio.guest("robot", CAMERA, MICROPHONE, recorder=True)
        await studio.play(3.0)

    assert studio.files() == set()
    assert studio.stop is Stop.ROOM_EMPTY


@pytest.mark.parametrize(
    ("options", "recorded"),
    [
        (RecordingOptions(include=["a*"]), {("ann", CAMERA), ("ann", MICROPHONE)}),
        (RecordingOptions(exclude=["ann"]), {("ben", CAMERA), ("ben", MICROPHONE)}),
        (RecordingOptions(include=["a*", "b*"], exclude=["*n"]), set()),
        (RecordingOptions(sources=[MICROPHONE]), {("ann", MICROPHONE), ("ben", MICROPHONE)}),
    ],
)
async def test_only_who_and_what_is_wanted_is_recorded(
    studio: Studio, options: RecordingOptions, recorded: set[tuple[str, Source]]
) -> None:
    async with studio.recording(options):
        await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.guest("ben", CAMERA, MICROPHONE)
        await studio.play(1.0)

    assert studio.tracks() == recorded


async def test_capitals_make_another_identity(studio: Studio) -> None:
    async with studio.recording(RecordingOptions(include=["ANN"])):
        await studio.guest("ann", MICROPHONE)
        await studio.play(0.5)

    assert studio.tracks() == set()


# What is told


async def test_the_room_sees_that_it_is_recorded(studio: Studio) -> None:
    async with studio.recording():
        (room,) = studio.rooms
        assert room.participant.attributes == {RECORDING_ATTRIBUTE: "on"}
        studio.recorder.stop()
        await settle()
        await studio.written()

    assert room.participant.attributes == {RECORDING_ATTRIBUTE: "off"}


async def test_a_token_that_forbids_attributes_keeps_nothing_from_being_recorded(
    studio: Studio,
) -> None:
    studio.grant = Grant("recorder", may_update_attributes=False)
    async with studio.recording():
        await studio.guest("ann", MICROPHONE)
        await studio.play(1.0)

    assert studio.tracks() == {("ann", MICROPHONE)}


async def test_events_are_written_as_they_come(studio: Studio) -> None:
    async with studio.recording():
        ann = await studio.guest("ann", MICROPHONE)
        await studio.play(1.0)
        ann.tracks[0].set_muted(muted=True)
        await settle()
        text = (studio.folder.path / "events.jsonl").read_text()

    events = [json.loads(line) for line in text.splitlines()]
    names = [event["event"] for event in events]
    assert names[-4:] == [
        "participant_joined",
        "track_published",
        "track_subscribed",
        "track_muted",
    ]
    assert events[-1]["at_s"] == 1.0
    assert (events[-1]["identity"], events[-1]["source"]) == ("ann", "microphone")


async def test_the_manifest_is_kept_up_to_date_for_whoever_comes_after_a_crash(
    studio: Studio,
) -> None:
    async with studio.recording():
        await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(4.5)
        crashed = studio.manifest

    assert crashed.state is State.RECORDING
    assert crashed.duration_s >= 4.0
    assert [file.path for file in crashed.files] == ["participants/ann.mkv"]
    assert {track.source for track in crashed.tracks} == {CAMERA, MICROPHONE}
    assert crashed.files[0].bytes > 0


async def test_each_part_is_as_long_as_it_is(studio: Studio) -> None:
    async with studio.recording():
        ann = await studio.guest("ann", MICROPHONE)
        await studio.play(3.0)
        ann.publish(CAMERA)
        await settle()
        await studio.play(3.0)

    files = sorted(studio.manifest.files, key=lambda file: file.start_s)
    assert [file.start_s for file in files] == pytest.approx([0.0, 3.0], abs=0.05)
    assert [file.duration_s for file in files] == pytest.approx([3.0, 3.0], abs=0.15)


async def test_progress_counts_what_there_is(studio: Studio) -> None:
    async with studio.recording() as recorder:
        ann = await studio.guest("ann", CAMERA, MICROPHONE)
        await studio.play(3.0)
        ann.tracks[1].set_muted(muted=True)
        await studio.play(1.0)
        ann.tracks[1].set_muted(muted=False)
        await studio.play(1.0)
        progress = recorder.progress

    assert progress.seconds == pytest.approx(5.0)
    assert progress.bytes > 1000
    assert progress.tracks == {"ann": [CAMERA, MICROPHONE]}
    assert (progress.gaps, progress.dropped, progress.waiting_for) == (1, 0, "")


# Faults


def noise(guest: Guest, seconds: float, seed: int) -> None:
    """Put a picture that no encoder makes small."""
    grain = np.random.default_rng(seed).integers(0, 256, (270 * 3 // 2 + 3, 480), np.uint8)
    picture = VideoFrame(grain[: 272 * 3 // 2], round(seconds * VIDEO_CLOCK_RATE))
    guest.tracks[0].put(picture)


async def test_a_full_disk_ends_the_recording_and_keeps_what_is_written(studio: Studio) -> None:
    with largest_file(300_000):
        async with studio.recording() as recorder:
            ann = await studio.guest("ann", CAMERA)
            ben = await studio.guest("ben", CAMERA, MICROPHONE)
            studio.guests = [ben]
            for step in range(100):
                noise(ann, studio.clock.now(), step)
                await studio.play(0.1)
                if recorder.failure:
                    break

    assert studio.stop is Stop.DISK_FULL
    assert recorder.failure is not None
    assert recorder.failure.disk_full
    assert studio.manifest.end_reason is Stop.DISK_FULL
    assert studio.manifest.state is State.FINISHING
    assert scan(studio.folder.path / "participants" / "ann.mkv").packets > 2
    seen = studio.seen("ben.mkv")
    assert seen.numbers() == list(range(len(seen.numbers())))
    assert len(seen.numbers()) > 2


async def test_a_folder_that_vanishes_ends_the_recording(studio: Studio) -> None:
    async with studio.recording() as recorder:
        await studio.guest("ann", MICROPHONE)
        await studio.play(1.0)
        studio.folder.path.rename(studio.out / "elsewhere")
        await studio.play(3.0)

    assert studio.stop is Stop.WRITE_FAILED
    assert recorder.failure is not None
    assert "No such file or directory" in str(recorder.failure)


async def test_a_bug_in_one_track_is_loud_and_leaves_every_file_whole(studio: Studio) -> None:
    async def run() -> None:
        async with studio.recording():
            ann = await studio.guest("ann", MICROPHONE)
            await studio.guest("ben", CAMERA, MICROPHONE)
            await studio.play(3.0)
            ann.tracks[0].put(VideoFrame(np.zeros((24, 16), np.uint8), 270_000))
            await soon(studio.recorder._stopping.is_set, "the bug has ended the recording")

    with pytest.raises(ExceptionGroup) as raised:
        await run()

    assert raised.group_contains(TypeError, match="a audio track delivered a VideoFrame", depth=2)
    assert studio.manifest.state is State.FINISHING
    assert studio.manifest.end_reason is Stop.RECORDER_DOWN
    for name in ("ann.mkv", "ben.mkv"):
        assert scan(studio.folder.path / "participants" / name).duration_s is not None
    assert is_whole(studio.seen("ben.mkv"), 0.0, 3.0, file_start_s=0.0)


async def test_a_recorder_that_is_cancelled_closes_its_files(studio: Studio) -> None:
    async def run() -> None:
        async with studio.recording():
            await studio.guest("ann", CAMERA, MICROPHONE)
            await studio.play(2.0)
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await run()

    assert studio.manifest.end_reason is Stop.RECORDER_DOWN
    assert is_whole(studio.seen("ann.mkv"), 0.0, 2.0, file_start_s=0.0)


async def test_the_first_reason_to_stop_counts(studio: Studio) -> None:
    async with studio.recording() as recorder:
        await studio.play(1.0)
        recorder.stop(Stop.LIMIT)
        recorder.stop(Stop.STOPPED)

    assert studio.stop is Stop.LIMIT


async def test_two_recorders_of_one_room_have_two_folders(studio: Studio) -> None:
    async with studio.recording():
        other = RecordingFolder.create(studio.out, "lobby", utc_now())
        assert other.path != studio.folder.path
        other.ownership.release()
