import stat
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from agent.errors import WriteError
from agent.media import VIDEO_CLOCK_RATE, Codec, EncodedFrame, Kind, VideoFrame
from agent.recording.encoding import VideoEncoder
from agent.recording.joining import Placed, join
from agent.recording.participant_file import PATIENCE_S, ParticipantFile
from agent.recording.scan import Scan, scan
from agent.recording.timeline import SAMPLE_RATE, AudioPlacement
from agent.tracks.pattern import Pattern
from agent.tracks.tone import Tone
from tests.agent.recording.probes import largest_file
from tests.perceive import Perception, perceive

FPS = 10
PATTERN = Pattern(128, 72, FPS, source_id=7)
TONE = Tone(amplitude=0.1, beep_amplitude=0.5)
PLAIN = AudioPlacement()


class Writer:
    """Writes the test picture and tone at their own times."""

    def __init__(self, folder: Path, *expected: Kind) -> None:
        self.file = ParticipantFile(folder / "ann", {"title": "lobby: ann"})
        self.heard_from_s: float | None = None
        for kind in expected:
            self.file.expect(kind)

    def play(self, start_s: float, end_s: float, *, audio: bool = True, video: bool = True) -> None:
        for step in range(round(start_s * 50), round(end_s * 50)):
            if audio:
                self.sound(step)
            if video and not step % (50 // FPS):
                self.picture(step * FPS // 50)

    def sound(self, index: int, placement: AudioPlacement = PLAIN) -> None:
        if self.heard_from_s is None:
            self.heard_from_s = index / 50
        self.file.sound(TONE.frame(index).samples, placement, self.heard_from_s)

    def picture(self, number: int) -> None:
        self.file.picture(PATTERN.frame(number), number / FPS)

    def close(self) -> list[Scan]:
        self.file.close()
        return [scan(part.path) for part in self.file.parts]

    def joined(self) -> Perception:
        """Return what there is in all parts, joined as finishing does it."""
        parts = [Placed(part.path, part.start_s) for part in self.file.parts]
        destination = self.file.parts[0].path.with_name("joined.mkv")
        self.start_s = join(parts, destination).start_s
        return perceive(destination)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def kinds(scans: list[Scan]) -> list[set[Kind]]:
    return [set(it.streams) for it in scans]


BOTH = {Kind.AUDIO, Kind.VIDEO}


def test_sound_that_is_announced_after_the_first_picture_shares_its_part(tmp_path: Path) -> None:
    writer = Writer(tmp_path, Kind.VIDEO)
    writer.picture(0)
    writer.file.expect(Kind.AUDIO)
    writer.play(0.1, 1.0)

    [only] = writer.close()

    assert set(only.streams) == {Kind.VIDEO, Kind.AUDIO}
    assert only.streams[Kind.VIDEO].packets == 10


def test_sound_and_pictures_lie_in_one_file_each_at_its_time(folder: Path) -> None:
    writer = Writer(folder, *Kind)
    writer.play(2.0, 5.0)
    (whole,) = writer.close()

    (part,) = writer.file.parts
    assert part.path == folder / "ann.mkv"
    assert part.start_s == 2.0
    assert stat.S_IMODE(part.path.stat().st_mode) == 0o600
    seen = perceive(part.path)
    assert seen.numbers() == list(range(20, 50))
    assert [p.time_s for p in seen.pictures] == pytest.approx([n / FPS for n in range(30)])
    assert seen.sound is not None
    assert seen.sound.beeps() == pytest.approx([1.0, 2.0], abs=0.005)
    assert seen.sound.holes == ()
    assert whole.end_s == pytest.approx(3.0, abs=0.03)
    assert writer.file.end_s == pytest.approx(5.0, abs=0.03)
    assert part.end_s == writer.file.end_s


def test_a_file_says_whose_it_is_and_where_it_begins(folder: Path) -> None:
    writer = Writer(folder, Kind.AUDIO)
    writer.play(2.0, 2.5, video=False)
    writer.close()

    with av.open(str(writer.file.parts[0].path)) as container:
        tags = {key.upper(): value for key, value in container.metadata.items()}
    assert tags["TITLE"] == "lobby: ann"
    assert float(tags["ROOMCAST_START_S"]) == pytest.approx(2.0)


def test_a_camera_that_comes_later_begins_a_part_that_has_both(folder: Path) -> None:
    writer = Writer(folder, Kind.AUDIO)
    writer.play(0.0, 3.0, video=False)
    writer.file.expect(Kind.VIDEO)
    writer.play(3.0, 6.0)
    scans = writer.close()

    assert kinds(scans) == [{Kind.AUDIO}, BOTH]
    assert [part.path.name for part in writer.file.parts] == ["ann.mkv", "ann.2.mkv"]
    assert writer.file.parts[0].end_s == pytest.approx(3.0, abs=0.05)
    second = perceive(writer.file.parts[1].path)
    assert second.numbers() == list(range(30, 60))  # from the first, a key frame, on
    seen = writer.joined()
    assert seen.numbers() == list(range(30, 60))
    assert seen.sound is not None
    assert seen.sound.beeps() == pytest.approx([1, 2, 3, 4, 5], abs=0.005)
    assert seen.sound.silences() == []
    assert seen.pictures[0].time_s == pytest.approx(3.0, abs=0.01)


def test_a_microphone_that_comes_later_begins_a_part_with_a_key_frame(folder: Path) -> None:
    writer = Writer(folder, Kind.VIDEO)
    writer.play(0.0, 3.0, audio=False)
    writer.file.expect(Kind.AUDIO)
    writer.play(3.0, 6.0)
    scans = writer.close()

    assert kinds(scans) == [{Kind.VIDEO}, BOTH]
    second = perceive(writer.file.parts[1].path)
    assert second.numbers()[-1] == 59
    assert second.numbers()[0] in (30, 31, 32)
    seen = writer.joined()
    assert seen.numbers() == list(range(60))
    assert seen.sound is not None
    assert seen.sound.start_s == pytest.approx(3.0, abs=0.01)
    assert seen.sound.beeps() == pytest.approx([4.0, 5.0], abs=0.005)


def test_of_a_still_screen_a_late_microphone_is_not_held_up_for_ever(folder: Path) -> None:
    writer = Writer(folder, Kind.VIDEO)
    writer.picture(0)
    writer.file.expect(Kind.AUDIO)
    writer.play(1.0, 4.0, video=False)
    writer.picture(40)
    writer.play(4.0, 5.0, video=False)
    writer.close()

    seen = writer.joined()
    assert seen.numbers()[0] == 0
    assert seen.sound is not None
    assert seen.sound.beeps() == pytest.approx([2.0, 3.0, 4.0], abs=0.005)


def test_the_only_picture_of_a_still_screen_is_written_before_the_end(folder: Path) -> None:
    writer = Writer(folder, Kind.VIDEO, Kind.AUDIO)  # of which no sound ever comes
    writer.picture(10)
    writer.file.hurry(1.0 + PATIENCE_S - 0.01)
    assert writer.file.parts == []

    writer.file.hurry(1.0 + PATIENCE_S)

    (part,) = writer.file.parts
    assert part.start_s == 1.0
    writer.close()
    assert perceive(part.path).numbers() == [10]


def test_who_expects_a_kind_that_never_comes_waits_for_a_moment_only(folder: Path) -> None:
    writer = Writer(folder, Kind.VIDEO, Kind.AUDIO)
    writer.play(0.0, PATIENCE_S + 0.2, video=False)

    assert len(writer.file.parts) == 1
    (scanned,) = writer.close()
    assert set(scanned.streams) == {Kind.AUDIO}
    assert scanned.packets * 0.02 == pytest.approx(PATIENCE_S + 0.2, abs=0.05)


def test_sound_that_waits_when_the_file_is_closed_is_written(folder: Path) -> None:
    writer = Writer(folder, Kind.VIDEO, Kind.AUDIO)
    writer.play(0.0, 0.5, video=False)
    (scanned,) = writer.close()

    assert scanned.end_s == pytest.approx(0.5, abs=0.03)


def test_nothing_makes_no_file(folder: Path) -> None:
    writer = Writer(folder, *Kind)
    writer.file.hurry(100.0)
    writer.file.close()
    writer.file.close()

    assert list(folder.iterdir()) == []


def test_silence_that_has_no_place_yet_does_not_begin_the_file(folder: Path) -> None:
    """A microphone that joins muted sends silence, which the timeline gives no place."""
    writer = Writer(folder, Kind.AUDIO)
    muted = np.zeros((960, 1), np.int16)
    for _ in range(100):
        writer.file.sound(muted, AudioPlacement(skip=960), None)
    writer.play(4.0, 6.0, video=False)
    writer.close()

    (part,) = writer.file.parts
    assert part.start_s == pytest.approx(4.0, abs=0.001)


def test_silence_stands_in_where_there_is_no_sound(folder: Path) -> None:
    writer = Writer(folder, Kind.AUDIO)
    writer.play(0.0, 2.0, video=False)
    writer.file.silence(SAMPLE_RATE * 3 // 2)
    writer.sound(200, AudioPlacement(silence=SAMPLE_RATE // 2))
    writer.play(4.02, 6.0, video=False)
    writer.close()

    sound = writer.joined().sound
    assert sound is not None
    (silence,) = sound.silences()
    assert [silence.start_s, silence.end_s] == pytest.approx([2.0, 4.0], abs=0.03)
    assert sound.beeps() == pytest.approx([1.0, 4.0, 5.0], abs=0.005)


def test_silence_before_any_sound_is_none(folder: Path) -> None:
    writer = Writer(folder, Kind.AUDIO)
    writer.file.silence(SAMPLE_RATE)
    writer.file.close()

    assert writer.file.parts == []


def test_what_is_to_be_left_out_of_a_block_is_not_heard(folder: Path) -> None:
    writer = Writer(folder, Kind.AUDIO)
    writer.play(0.0, 1.0, video=False)
    writer.sound(49, AudioPlacement(skip=480))
    writer.sound(50, AudioPlacement(skip=960))
    writer.close()

    assert writer.file.end_s == pytest.approx(1.01, abs=0.021)


@pytest.mark.parametrize("stretch", [-2, 3])
def test_sound_that_is_stretched_lasts_longer_and_sounds_the_same(
    folder: Path, stretch: int
) -> None:
    writer = Writer(folder, Kind.AUDIO)
    for index in range(250):
        writer.sound(index, AudioPlacement(stretch=stretch))
    writer.close()

    sound = writer.joined().sound
    assert sound is not None
    change = 1 + stretch / 960
    later = [beep for beep in sound.beeps() if beep > 0.5]
    assert later == pytest.approx([n * change for n in (1, 2, 3, 4)], abs=0.006)
    assert sound.silences() == []


def test_black_is_shown_at_its_times_in_the_size_of_the_pictures(folder: Path) -> None:
    writer = Writer(folder, Kind.VIDEO)
    writer.play(0.0, 1.0, audio=False)
    writer.file.black([1.5, 2.5])
    writer.play(3.0, 3.5, audio=False)
    (scanned,) = writer.close()

    seen = perceive(writer.file.parts[0].path)
    black = [picture for picture in seen.pictures if picture.reading is None]
    assert [picture.time_s for picture in black] == [1.5, 2.5]
    assert {(picture.width, picture.height) for picture in black} == {(128, 72)}
    assert all(picture.colour == pytest.approx((16, 128, 128), abs=2) for picture in black)
    assert scanned.streams[Kind.VIDEO].keys >= 3
    assert seen.numbers() == [*range(10), *range(30, 35)]


def test_black_for_a_phone_held_upright_is_upright(folder: Path) -> None:
    writer = Writer(folder, Kind.VIDEO)
    writer.file.picture(replace(PATTERN.frame(0), rotation=90), 0.0)
    writer.file.black([1.0])
    writer.close()

    sizes = [(p.width, p.height) for p in perceive(writer.file.parts[0].path).pictures]
    assert sizes == [(72, 128), (72, 128)]


def test_pictures_may_change_their_size(folder: Path) -> None:
    writer = Writer(folder, Kind.VIDEO)
    large = Pattern(320, 180, FPS)
    for number in range(10):
        writer.picture(number)
    for number in range(10, 20):
        writer.file.picture(large.frame(number), number / FPS)
    writer.close()

    seen = writer.joined()
    assert seen.numbers() == list(range(20))
    assert {(picture.width, picture.height) for picture in seen.pictures} >= {(320, 180)}


def test_stereo_that_follows_mono_goes_on_in_the_same_stream(folder: Path) -> None:
    writer = Writer(folder, Kind.AUDIO)
    writer.play(0.0, 2.0, video=False)
    stereo = Tone(amplitude=0.1, beep_amplitude=0.5, channels=2)
    for index in range(100, 200):
        writer.file.sound(stereo.frame(index).samples, PLAIN, 0.0)
    writer.close()

    sound = writer.joined().sound
    assert sound is not None
    assert sound.beeps() == pytest.approx([1.0, 2.0, 3.0], abs=0.005)


# Frames as they came


def encoded(numbers: range, *, keys: range) -> Iterator[EncodedFrame]:
    encoder = VideoEncoder(Codec.VP8)
    for number in numbers:
        yield from encoder.encode(PATTERN.frame(number), force_key=number in keys)


def test_encoded_pictures_are_copied_from_the_first_key_frame_on(folder: Path) -> None:
    file = ParticipantFile(folder / "ann", {})
    file.expect(Kind.VIDEO)
    for frame in list(encoded(range(30), keys=range(0, 30, 10)))[3:]:
        file.encoded(frame, float(frame.time))
    file.close()

    assert file.parts[0].start_s == 1.0
    assert perceive(file.parts[0].path).numbers() == list(range(10, 30))


def test_after_a_loss_encoded_pictures_are_copied_from_the_next_key_frame_on(
    folder: Path,
) -> None:
    file = ParticipantFile(folder / "ann", {})
    file.expect(Kind.VIDEO)
    for frame in encoded(range(30), keys=range(0, 30, 10)):
        lost = frame.pts == 5 * VIDEO_CLOCK_RATE // FPS
        file.encoded(replace(frame, lost_before=2 if lost else 0), float(frame.time))
    file.close()

    assert perceive(file.parts[0].path).numbers() == [*range(5), *range(10, 30)]


def test_encoded_pictures_are_put_where_the_timeline_wants_them(folder: Path) -> None:
    file = ParticipantFile(folder / "ann", {})
    for frame in encoded(range(10), keys=range(1)):
        file.encoded(frame, float(frame.time) + 7)
    file.black([9.0])  # no picture of ours among those of another encoder
    file.close()

    assert file.parts[0].start_s == 7.0
    seen = perceive(file.parts[0].path)
    assert [picture.time_s for picture in seen.pictures] == pytest.approx(
        [n / FPS for n in range(10)]
    )


# Disks


def test_a_part_that_cannot_be_created_is_told_every_time(folder: Path) -> None:
    writer = Writer(folder, Kind.AUDIO)
    (folder / "ann.mkv").touch()

    for _ in range(2):
        with pytest.raises(WriteError, match=r"ann\.mkv: File exists"):
            writer.play(0.0, 0.5, video=False)
    with pytest.raises(WriteError):
        writer.file.close()
    writer.file.close()


def test_a_second_part_that_cannot_be_created_leaves_the_first_whole(folder: Path) -> None:
    writer = Writer(folder, Kind.AUDIO)
    (folder / "ann.2.mkv").touch()
    writer.play(0.0, 2.0, video=False)
    writer.file.expect(Kind.VIDEO)

    for _ in range(2):
        with pytest.raises(WriteError, match=r"ann\.2\.mkv: File exists"):
            writer.play(2.0, 3.0)
    with pytest.raises(WriteError, match=r"ann\.2\.mkv: File exists"):
        writer.file.close()
    writer.file.close()

    first = scan(folder / "ann.mkv")
    assert first.duration_s is not None  # it has its end
    assert first.end_s == pytest.approx(2.0, abs=0.05)


def write_noise(writer: Writer) -> None:
    noise = np.random.default_rng(1)
    for number in range(600):
        for step in range(5):
            writer.sound(number * 5 + step)
        grain = noise.integers(0, 256, (180 * 3 // 2, 320), np.uint8)
        writer.file.picture(VideoFrame(grain, 0), number / FPS)


def test_a_file_on_a_full_disk_is_closed_and_plays_as_far_as_it_was_written(folder: Path) -> None:
    writer = Writer(folder, *Kind)
    with largest_file(200_000):
        with pytest.raises(WriteError) as raised:
            write_noise(writer)
        with pytest.raises(WriteError):
            writer.play(0.0, 0.1)
        with pytest.raises(WriteError, match="File too large"):
            writer.file.close()

    assert raised.value.disk_full
    whole = scan(folder / "ann.mkv")
    assert whole.streams[Kind.VIDEO].packets > 3
    assert folder.joinpath("ann.mkv").stat().st_size <= 200_000


def test_times_in_a_file_go_forward(folder: Path) -> None:
    writer = Writer(folder, *Kind)
    writer.play(0.0, 2.0)
    writer.file.picture(PATTERN.frame(20), 1.9)
    writer.file.picture(PATTERN.frame(21), 2.0)
    writer.close()

    times = [picture.time_s for picture in perceive(writer.file.parts[0].path).pictures]
    assert all(earlier < later for earlier, later in pairwise(times))
