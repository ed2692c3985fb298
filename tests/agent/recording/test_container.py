import os
import stat
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from agent.errors import WriteError
from agent.media import OPUS_CLOCK_RATE, AudioFrame, Codec, EncodedFrame, Kind
from agent.recording.container import Part
from agent.recording.encoding import AudioEncoder, VideoEncoder
from agent.recording.joining import salvage
from agent.recording.scan import scan
from tests.agent.recording.probes import heard, largest_file, shown
from tests.films import encoded, late_audio, late_video, pictures, sound, write_part

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("start_s", [0.0, 0.1, 61.2345])
def test_pictures_and_sound_are_in_their_places_to_a_millisecond(
    tmp_path: Path, start_s: float
) -> None:
    video = [late_video(frame, start_s + 0.5) for frame in pictures(3)]
    audio = [late_audio(frame, start_s + 0.5) for frame in sound(3)]

    part = write_part(tmp_path / "a.mkv", encoded(video, audio), start_s=start_s)

    found = shown(part.path)
    assert [number for _, number in found] == list(range(90))
    assert [time for time, _ in found] == pytest.approx(
        [0.5 + n / 30 for n in range(90)], abs=0.0011
    )
    # The first beep has no silence before it to be told from.
    assert heard(part.path) == pytest.approx([1.5, 2.5], abs=0.001)
    assert part.duration_s == pytest.approx(3.5, abs=0.03)
    assert part.moved == 0


def test_sound_that_begins_with_the_file_is_in_its_place(tmp_path: Path) -> None:
    part = write_part(tmp_path / "a.mkv", encoded(audio=sound(4, channels=2), channels=2))

    assert heard(part.path) == pytest.approx([1.0, 2.0, 3.0], abs=0.001)


def test_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    part = write_part(tmp_path / "a.mkv", encoded(pictures(0.1)))

    assert stat.S_IMODE(part.path.stat().st_mode) == 0o600


def test_a_finished_file_says_how_long_it_is_and_can_be_sought_in(tmp_path: Path) -> None:
    part = write_part(tmp_path / "a.mkv", encoded(pictures(6), sound(6)))

    assert scan(part.path).duration_s == pytest.approx(6, abs=0.03)
    with av.open(str(part.path)) as container:
        container.seek(5_000_000)
        assert next(container.decode(video=0)).time == pytest.approx(4.0, abs=0.001)


def test_a_file_carries_its_tags(tmp_path: Path) -> None:
    (frame,) = encoded(pictures(1 / 30))
    tags = {"title": "demo: Zoë", "date": "2026-11-23"}
    part = Part(tmp_path / "a.mkv", start_s=0, video=frame, tags=tags)
    part.write(frame, time_s=0)
    part.close()

    with av.open(str(part.path)) as container:
        found = {key.lower(): value for key, value in container.metadata.items()}
    assert found["title"] == "demo: Zoë"
    assert found["date"] == "2026-11-23"


def test_a_size_may_change_in_mid_file(tmp_path: Path) -> None:
    encoder = VideoEncoder()
    sizes = [(320, 180), (160, 90), (640, 360)]
    frames: list[EncodedFrame] = []
    for second, size in enumerate(sizes):
        video = [late_video(frame, second) for frame in pictures(1, size=size)]
        frames += encoded(video, video_encoder=encoder)

    part = write_part(tmp_path / "a.mkv", frames)

    with av.open(str(part.path)) as container:
        found = [(picture.width, picture.height) for picture in container.decode(video=0)]
    assert found == [size for size in sizes for _ in range(30)]
    assert [number for _, number in shown(part.path)] == [*range(30)] * 3


def test_vp8_can_be_written_too(tmp_path: Path) -> None:
    frames = encoded(pictures(1), video_encoder=VideoEncoder(Codec.VP8))

    part = write_part(tmp_path / "a.mkv", frames)

    assert [number for _, number in shown(part.path)] == list(range(30))


def test_a_frame_that_is_not_later_is_moved_behind_the_one_before(tmp_path: Path) -> None:
    frames = encoded(pictures(0.2))
    part = Part(tmp_path / "a.mkv", start_s=5, video=frames[0])

    for frame, time_s in zip(frames, [4.9, 5.1, 5.1, 5.0, 5.2, 5.3], strict=True):
        part.write(frame, time_s=time_s)
    part.close()

    assert part.moved == 3
    assert [time for time, _ in shown(part.path)] == [0, 0.1, 0.101, 0.102, 0.2, 0.3]


def test_a_camera_that_pauses_does_not_hold_back_the_sound(tmp_path: Path) -> None:
    frames = encoded(pictures(1), sound(6))
    part = Part(
        tmp_path / "a.mkv",
        start_s=0,
        video=frames[1],
        audio=frames[0],
    )
    write_all(part, frames)

    assert salvage(part.path).streams[Kind.AUDIO].end_s > 6 - 1.5
    part.close()


def test_frames_that_were_not_declared_are_refused(tmp_path: Path) -> None:
    video, audio = encoded(pictures(0.1)), encoded(audio=sound(0.1))
    part = Part(tmp_path / "a.mkv", start_s=0, audio=audio[0])

    with pytest.raises(ValueError, match=r"a\.mkv has no h264 stream"):
        part.write(video[0], time_s=0)
    part.close()
    with pytest.raises(ValueError, match="is closed"):
        part.write(audio[0], time_s=0)


def test_a_part_begins_with_a_key_frame_of_known_size(tmp_path: Path) -> None:
    delta = encoded(pictures(0.1))[1]

    with pytest.raises(ValueError, match="key frame"):
        Part(tmp_path / "a.mkv", start_s=0, video=delta)
    with pytest.raises(ValueError, match="needs a stream"):
        Part(tmp_path / "a.mkv", start_s=0)
    assert not list(tmp_path.iterdir())


def test_a_file_that_exists_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    path.write_bytes(b"mine")

    with pytest.raises(WriteError, match=r"can't write .*a\.mkv: File exists") as caught:
        Part(path, start_s=0, audio=encoded(audio=sound(0.1))[0])

    assert not caught.value.disk_full
    assert path.read_bytes() == b"mine"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(WriteError, match="can't write"):
        Part(tmp_path / "a.mkv", start_s=0, audio=encoded(audio=sound(0.1))[0])

    assert not (tmp_path / "elsewhere").exists()


def write_all(part: Part, frames: list[EncodedFrame]) -> None:
    for frame in frames:
        part.write(frame, time_s=float(frame.time))


def test_a_full_disk_is_told_and_what_was_written_plays(tmp_path: Path) -> None:
    frames = encoded(pictures(8), sound(8))
    part = Part(tmp_path / "a.mkv", start_s=0, video=frames[1], audio=frames[0])

    with largest_file(100_000):
        with pytest.raises(WriteError, match="can't write") as caught:
            write_all(part, frames)
        with pytest.raises(WriteError):
            part.write(frames[-1], time_s=8)
        part.close()

    assert caught.value.disk_full
    assert part.path.stat().st_size == 100_000
    found = salvage(part.path)
    assert found.end_s > part.end_s - 2
    assert len(shown(part.path)) > 30


def test_a_file_full_only_at_its_end_says_so_when_closed(tmp_path: Path) -> None:
    frames = encoded(audio=sound(0.5))
    part = Part(tmp_path / "a.mkv", start_s=0, audio=frames[0])
    write_all(part, frames)

    with largest_file(part.path.stat().st_size), pytest.raises(WriteError) as caught:
        part.close()

    assert caught.value.disk_full
    part.close()


def test_a_killed_writer_leaves_a_file_that_plays_up_to_two_seconds_ago(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    script = Path(__file__).with_name("endless_writer.py")
    with subprocess.Popen(
        [sys.executable, str(script), str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        handed_over_s = 0.0
        for line in process.stdout:
            handed_over_s = float(line)
            if handed_over_s > 9.3:
                process.kill()
                break
        written = [float(line) for line in process.stdout.read().split(b"\n")[:-1]]
        handed_over_s = max([handed_over_s, *written])

    found = salvage(path)

    assert found.duration_s is None
    for stream in found.streams.values():
        assert handed_over_s - 2 < stream.end_s <= handed_over_s + 0.1
        assert not stream.gaps
    numbers = [number for _, number in shown(path)]
    assert numbers == list(range(len(numbers)))


def test_an_empty_part_can_be_closed(tmp_path: Path) -> None:
    part = Part(tmp_path / "a.mkv", start_s=0, audio=encoded(audio=sound(0.1))[0])

    part.close()
    part.close()

    assert salvage(part.path).packets == 0


def test_stereo_is_told_from_the_first_packet(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-9000, 9000, (9600, 2)).astype(np.int16)
    frames = AudioEncoder(2).encode(AudioFrame(noise, OPUS_CLOCK_RATE, 0))

    part = write_part(tmp_path / "a.mkv", frames)

    with av.open(str(part.path)) as container:
        assert container.streams.audio[0].layout.name == "stereo"
