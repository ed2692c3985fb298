"""Recordings made on a real SFU, looked at and listened to."""

import asyncio
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from agent.dev.clips import find_clip
from agent.dev.sfu import Sfu
from agent.media import Kind
from agent.recording.manifest import GapEntry, GapReason, State, Stop
from agent.recording.recorder import RECORDING_ATTRIBUTE
from agent.recording.recovery import verify
from agent.room import ParticipantChanged, ParticipantJoined, Source
from agent.tracks.pattern import source_id
from tests.clip_match import compare_with_clip
from tests.e2e.guest import Guest, guest
from tests.e2e.meeting import ROOM, SCREEN_SIZE, SMALL, Meeting, hold_meeting
from tests.e2e.recorded import Seen
from tests.e2e.take import Take, recording
from tests.perceive import Span
from tests.roomcast_process import ENDS_WITHIN_S, roomcast
from tests.waiting import soon

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

SOLO_S = 8.0
EVENT_S = 0.1
"""How exactly a manifest knows when something happened."""

TOLD_S = 0.3
"""How late an SFU tells that a track is gone; a decoder makes up some sound meanwhile."""

EDGE_S = 0.3
"""How long after a mute something may still come, through jitter buffers."""

LONGEST_HOLE_S = 0.02
DELAY_CHANGE_S = 0.3
"""A jitter buffer holds sound for up to a quarter of a second when packets come in bursts, as on
a busy machine, and pictures wait for their sound. A gap that collapsed is off by two seconds."""


class Solo:
    """One guest who shows and beeps all the time, recorded in this process."""

    def __init__(self, take: Take, ann: Guest, began: float) -> None:
        self.take = take
        self.ann = ann
        self.began = began
        self.recorded = take.recorded()
        self.seen = self.recorded.seen("ann")


@pytest.fixture(scope="module")
def solo(sfu: Sfu, tmp_path_factory: pytest.TempPathFactory) -> Solo:
    async def record() -> Solo:
        out = tmp_path_factory.mktemp("solo")
        async with guest(sfu, "solo") as ann:
            async with recording(sfu, "solo", out) as take:
                began = await ann.publish()
                await asyncio.sleep(SOLO_S)
            return Solo(take, ann, began)

    return asyncio.run(record())


@pytest.fixture(scope="module")
def meeting(sfu: Sfu, tmp_path_factory: pytest.TempPathFactory) -> Meeting:
    return asyncio.run(hold_meeting(sfu, tmp_path_factory.mktemp("meeting")))


def test_sound_and_pictures_are_in_step(solo: Solo) -> None:
    skew = solo.seen.file.skew()

    assert skew is not None
    assert skew.pairs >= SOLO_S - 2
    assert abs(skew.median_ms) <= 40
    assert skew.p95_ms <= 60


def test_a_recording_is_as_long_as_it_took(solo: Solo) -> None:
    took_s = solo.take.ended - solo.take.began
    [entry] = solo.recorded.entries("ann")

    assert solo.recorded.manifest.duration_s == pytest.approx(took_s, abs=0.1)
    assert entry.start_s + entry.duration_s == pytest.approx(took_s, abs=0.1)


def test_what_a_file_holds_is_as_long_as_the_manifest_says(solo: Solo) -> None:
    [entry] = solo.recorded.entries("ann")
    sound = solo.seen.file.sound

    assert sound is not None
    assert sound.end_s == pytest.approx(entry.duration_s, abs=0.1)
    assert solo.seen.file.pictures[-1].time_s == pytest.approx(entry.duration_s, abs=0.1)


def test_every_published_picture_is_in_the_file_and_none_twice(solo: Solo) -> None:
    shown = solo.seen.shown
    first, last = min(shown), max(shown)
    published = [number for number in solo.ann.sent if first <= number <= last]

    assert len(published) > 0.8 * SOLO_S * 30
    assert sum(number in shown for number in published) >= 0.99 * len(published)
    assert solo.seen.file.repeated_numbers() == []


def test_only_pictures_on_their_way_at_the_end_are_missing_there(solo: Solo) -> None:
    last = max(solo.seen.shown)

    assert [n for n, at in solo.ann.sent.items() if n > last and at < solo.take.ended - 0.2] == []


def test_pictures_follow_each_other_as_they_were_sent(solo: Solo) -> None:
    delays = sorted(solo.seen.delays(solo.ann.sent).values())

    assert 0 < median(delays) < 0.2
    assert delays[-1] - delays[0] < 0.1


def test_sound_has_no_hole_that_the_publisher_did_not_make(solo: Solo) -> None:
    sound = solo.seen.file.sound
    assert sound is not None
    assert solo.ann.epoch is not None
    tone_begins_s = solo.ann.epoch + 0.2 - solo.seen.starts_at

    assert [hole for hole in sound.holes if hole.duration_s > LONGEST_HOLE_S] == []
    silences = sound.silences(min_s=LONGEST_HOLE_S + 0.01)
    assert [it for it in silences if tone_begins_s < it.start_s < sound.end_s - 0.1] == []


def test_beeps_are_a_second_apart(solo: Solo) -> None:
    apart = [after - before for before, after in pairwise(solo.seen.beeps)]

    assert len(apart) >= SOLO_S - 3
    assert all(abs(it - 1) <= 0.04 for it in apart)


def test_sound_is_recorded_within_a_second_of_publishing_and_pictures_within_two(
    solo: Solo,
) -> None:
    first_sound = solo.recorded.zero + solo.recorded.track("ann", Source.MICROPHONE).start_s
    first_picture = min(solo.seen.shown.values())

    assert first_sound - solo.began <= 1
    assert first_picture - solo.began <= 2


def test_all_that_was_recorded_passes_its_check_and_nothing_else_lies_about(
    meeting: Meeting,
) -> None:
    assert meeting.exit_codes == [0, 0]
    for recorded in (meeting.recorded, meeting.other):
        manifest = recorded.manifest
        assert (manifest.state, manifest.end_reason) == (State.COMPLETE, Stop.STOPPED)
        assert verify(recorded.folder, "full").problems == []
        found = {path.relative_to(recorded.folder).as_posix() for path in _files(recorded.folder)}
        listed = {entry.path for entry in manifest.files}
        assert found == listed | {"manifest.json", "events.jsonl"}
        assert all(entry.checked for entry in manifest.files)


def test_a_muted_camera_is_a_gap_of_just_that_length(meeting: Meeting) -> None:
    [gap] = meeting.recorded.track("bob", Source.CAMERA).gaps

    assert gap.reason is GapReason.MUTED
    _assert_spans(meeting, gap, "bob mutes his camera", "bob unmutes his camera")


def test_a_muted_microphone_is_a_gap_of_just_that_length(meeting: Meeting) -> None:
    [gap] = meeting.recorded.track("bob", Source.MICROPHONE).gaps

    assert gap.reason is GapReason.MUTED
    _assert_spans(meeting, gap, "bob mutes his microphone", "bob unmutes his microphone")


def test_a_muted_camera_is_black(meeting: Meeting) -> None:
    bob = meeting.recorded.seen("bob")
    muted, unmuted = (meeting.deeds[f"bob {what} his camera"] for what in ("mutes", "unmutes"))

    assert bob.lit(muted + EDGE_S, unmuted) == []
    assert bob.lit(muted - 0.5, muted)
    black = [at for at in _times(bob) if muted + EDGE_S <= at < unmuted]
    assert len(black) >= 1


def test_a_muted_microphone_is_silent(meeting: Meeting) -> None:
    bob = meeting.recorded.seen("bob")
    muted, unmuted = (meeting.deeds[f"bob {what} his microphone"] for what in ("mutes", "unmutes"))

    assert bob.heard(muted + EDGE_S, unmuted) == 0
    assert bob.heard(muted - 0.5, muted) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("who", ["bob", "cleo", "dan"])
def test_after_a_gap_everything_is_at_its_own_time_again(meeting: Meeting, who: str) -> None:
    seen, person = meeting.recorded.seen(who), meeting.guests[who]
    middle = meeting.deeds["eve adds her camera"]
    delays = seen.delays(person.sent)
    before = [delay for number, delay in delays.items() if person.sent[number] < middle]
    after = [delay for number, delay in delays.items() if person.sent[number] > middle]

    assert min(len(before), len(after)) >= 10
    assert median(after) == pytest.approx(median(before), abs=DELAY_CHANGE_S)
    assert person.epoch is not None
    late = {at: (at - person.epoch + 0.5) % 1 - 0.5 for at in seen.beeps}
    before = [it for at, it in late.items() if at < middle]
    after = [it for at, it in late.items() if at > middle]
    assert median(after) == pytest.approx(median(before), abs=DELAY_CHANGE_S)


def test_what_the_sfu_sends_to_end_a_picture_with_is_not_recorded(meeting: Meeting) -> None:
    for who in ("bob", "cleo", "dan"):
        sizes = meeting.recorded.track(who, Source.CAMERA).sizes
        assert [(size.width, size.height) for size in sizes] == [SMALL]
        pictures = meeting.recorded.seen(who).file.pictures
        assert {(picture.width, picture.height) for picture in pictures} == {SMALL}


@pytest.mark.parametrize("source", [Source.CAMERA, Source.MICROPHONE])
def test_a_track_that_was_published_again_goes_on_in_the_same_file(
    meeting: Meeting, source: Source
) -> None:
    track = meeting.recorded.track("cleo", source)
    [gap] = track.gaps

    assert track.files == ["participants/cleo.mkv"]
    assert len({segment.sid for segment in track.segments}) == len(track.segments) == 2
    assert gap.reason is GapReason.UNPUBLISHED
    began, done = meeting.deeds["cleo unpublishes"], meeting.deeds["cleo has unpublished"]
    assert began - EVENT_S <= gap.start_s + meeting.recorded.zero <= done + TOLD_S


@pytest.mark.parametrize("source", [Source.CAMERA, Source.MICROPHONE])
def test_who_leaves_and_comes_back_goes_on_in_the_same_file(
    meeting: Meeting, source: Source
) -> None:
    track = meeting.recorded.track("dan", source)
    [gap] = track.gaps

    assert track.files == ["participants/dan.mkv"]
    assert gap.reason is GapReason.LEFT
    began, done = meeting.deeds["dan leaves"], meeting.deeds["dan has left"]
    assert began - EVENT_S <= gap.start_s + meeting.recorded.zero <= done + TOLD_S


def test_a_camera_that_came_later_is_in_the_file_of_the_microphone(meeting: Meeting) -> None:
    [entry] = meeting.recorded.entries("eve", Source.CAMERA, Source.MICROPHONE)
    eve = meeting.recorded.seen("eve")
    added = meeting.deeds["eve adds her camera"]

    assert entry.path == "participants/eve.mkv"
    assert eve.file.source_ids() == {source_id("eve")}
    assert min(eve.shown.values()) - added <= 2
    assert eve.file.sound is not None
    begins, ends = eve.starts_at + eve.file.sound.start_s, eve.starts_at + eve.file.sound.end_s
    assert eve.heard(begins + 0.5, ends - 0.1) == pytest.approx(ends - begins - 0.6, abs=0.05)


def test_a_screen_is_in_a_file_of_its_own(meeting: Meeting) -> None:
    [entry] = meeting.recorded.entries("eve", Source.SCREEN_SHARE)
    screen = meeting.recorded.seen("eve", Source.SCREEN_SHARE).file

    assert entry.path == "participants/eve--screen.mkv"
    assert screen.source_ids() == {source_id("eve's screen")}
    assert screen.sound is None
    assert {(it.width, it.height) for it in screen.pictures} == {SCREEN_SIZE}


def test_each_voice_is_in_the_file_of_whose_it_is(meeting: Meeting) -> None:
    for who, pitch_hz in {"bob": 500, "cleo": 600, "dan": 700, "eve": 800}.items():
        seen = meeting.recorded.seen(who)
        assert _pitch_beside_a_beep(seen) == pytest.approx(pitch_hz, abs=8)


def test_who_was_excluded_is_not_recorded(meeting: Meeting) -> None:
    manifest = meeting.recorded.manifest

    assert "zed" in {participant.identity for participant in manifest.participants}
    assert {track.identity for track in manifest.tracks} == {"bob", "cleo", "dan", "eve"}


def test_two_recorders_make_two_folders_and_each_records_what_it_was_told(
    meeting: Meeting,
) -> None:
    assert meeting.other.folder.parent == meeting.recorded.folder.parent
    assert meeting.other.folder != meeting.recorded.folder
    [track] = meeting.other.manifest.tracks
    assert (track.identity, track.source) == ("bob", Source.MICROPHONE)
    [gap] = track.gaps
    assert gap.reason is GapReason.MUTED


def test_a_room_name_that_points_elsewhere_names_a_folder_right_here(meeting: Meeting) -> None:
    folder = meeting.recorded.folder

    assert folder.name.startswith("%2E.%2Fgr%C3%BC%C3%9Fe%20%F0%9F%8E%A5--")
    assert meeting.recorded.manifest.room.name == ROOM
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in _files(folder)} == {0o600}


def test_the_sfu_shows_a_room_as_recorded_while_it_is(meeting: Meeting) -> None:
    assert meeting.shown_as_recorded == {"before": False, "while": True, "after": False}


def test_a_recorder_tells_everyone_in_the_room_what_it_does(meeting: Meeting) -> None:
    told = [
        event.participant.attributes.get(RECORDING_ATTRIBUTE)
        for event in meeting.guests["watcher"].events
        if isinstance(event, ParticipantJoined | ParticipantChanged)
        and event.participant.identity.startswith("rec-")
    ]

    assert [state for state in told if state] == ["on", "on", "off", "off"]


HOSTILE = ["../x", "Ann", "ann", "🎥 é", ".hidden", "x" * 250, "x" * 249 + "y", "a/b\\c:d", "CON"]


def test_nobody_s_identity_leads_out_of_the_folder_or_into_another_s_file(
    sfu: Sfu, tmp_path: Path, room_name: str
) -> None:
    async def record() -> Take:
        async with AsyncExitStack() as guests:
            for number, identity in enumerate(HOSTILE):
                person = await guests.enter_async_context(guest(sfu, room_name, identity))
                await person.publish(video=False, frequency=_pitch_hz(number))
            async with recording(sfu, room_name, tmp_path) as take:
                await soon(lambda: _number_recorded(take) == len(HOSTILE), "each is recorded")
                await asyncio.sleep(2.5)
            return take

    recorded = asyncio.run(record()).recorded()

    inside = {path for path in _files(tmp_path) if path.suffix == ".mkv"}
    assert {path.parent for path in inside} == {recorded.folder / "participants"}
    assert len({path.name.casefold() for path in inside}) == len(inside) == len(HOSTILE)
    for number, identity in enumerate(HOSTILE):
        seen = recorded.seen(identity)
        assert _pitch_beside_a_beep(seen) == pytest.approx(_pitch_hz(number), abs=8)
    assert verify(recorded.folder, "full").problems == []


def test_a_film_is_recorded_as_it_was_published(sfu: Sfu, tmp_path: Path, room_name: str) -> None:
    clip = find_clip()

    async def record() -> Take:
        async with recording(sfu, room_name, tmp_path) as take:
            play = ("play", room_name, clip, "--identity", "film")
            with roomcast(sfu, *play, log=tmp_path / "play.log") as player:
                code = await asyncio.to_thread(player.wait, ENDS_WITHIN_S)
            assert code == 0, (tmp_path / "play.log").read_text()
        return take

    recorded = asyncio.run(record()).recorded()

    [entry] = recorded.entries("film")
    assert compare_with_clip(recorded.folder / entry.path, clip).faults() == []
    assert {track.kind for track in recorded.manifest.tracks} == set(Kind)


def _assert_spans(meeting: Meeting, gap: GapEntry, begin: str, end: str) -> None:
    zero = meeting.recorded.zero
    assert gap.start_s + zero == pytest.approx(meeting.deeds[begin], abs=EVENT_S)
    assert gap.end_s + zero == pytest.approx(meeting.deeds[end], abs=EVENT_S)


def _times(seen: Seen) -> list[float]:
    return [seen.starts_at + picture.time_s for picture in seen.file.pictures]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _pitch_beside_a_beep(seen: Seen) -> float:
    sound = seen.file.sound
    assert sound is not None
    beep_s = sound.beeps()[0]
    after, before = Span(beep_s + 0.15, beep_s + 0.5), Span(beep_s - 0.4, beep_s - 0.05)
    return sound.pitch_hz(after if after.end_s < sound.end_s else before)


def _pitch_hz(number: int) -> float:
    return 300.0 + 80 * number


def _number_recorded(take: Take) -> int:
    return len(take.progress.tracks) if take.progress else 0
