from pathlib import Path

import numpy as np
import pytest

from agent.media import AudioFrame, VideoFrame
from agent.recording.encoding import VideoEncoder
from agent.tracks.tone import Tone
from tests.films import encoded, late_audio, late_video, pictures, sound, write_part
from tests.perceive import RATE, Perception, Span, perceive


def perceived(tmp_path: Path, video: list[VideoFrame], audio: list[AudioFrame]) -> Perception:
    return perceive(write_part(tmp_path / "a.mkv", encoded(video, audio)).path)


def test_every_picture_is_read_at_its_time(tmp_path: Path) -> None:
    found = perceived(tmp_path, list(pictures(2, source_id=9)), [])

    assert found.numbers() == list(range(60))
    assert found.source_ids() == {9}
    assert found.pictures[45].time_s == pytest.approx(1.5, abs=0.001)
    assert (found.pictures[0].width, found.pictures[0].height) == (320, 180)
    assert found.sound is None
    assert found.share_of_numbers() == 1


def test_pictures_that_are_missing_or_repeated_are_told(tmp_path: Path) -> None:
    video = list(pictures(1))
    again = VideoFrame(video[20].i420, video[21].pts)
    found = perceived(tmp_path, [*video[:10], *video[13:21], again, *video[22:]], [])

    assert found.repeated_numbers() == [20]
    assert found.share_of_numbers() == pytest.approx(26 / 30)


def test_flashes_and_beeps_are_found_where_they_begin(tmp_path: Path) -> None:
    found = perceived(tmp_path, list(pictures(4.5)), list(sound(4.5)))

    assert found.flashes() == pytest.approx([1, 2, 3, 4], abs=0.001)
    assert found.sound is not None
    assert found.sound.beeps() == pytest.approx([1, 2, 3, 4], abs=0.001)


@pytest.mark.parametrize("by_s", [-0.2, -0.04, 0.0, 0.1])
def test_sound_that_is_late_or_early_is_told_by_how_much(tmp_path: Path, by_s: float) -> None:
    video = [late_video(frame, 0.5) for frame in pictures(3)]
    audio = [late_audio(frame, 0.5 + by_s) for frame in sound(3)]

    skew = perceived(tmp_path, video, audio).skew()

    assert skew is not None
    assert skew.median_ms == pytest.approx(1000 * by_s, abs=1.5)
    assert skew.p95_ms == pytest.approx(1000 * abs(by_s), abs=1.5)
    assert skew.pairs == 2


def test_a_long_recording_loses_no_beep_between_what_is_heard_at_a_time(tmp_path: Path) -> None:
    found = perceived(tmp_path, [], list(sound(122)))

    assert found.sound is not None
    assert found.sound.beeps() == pytest.approx(range(1, 122), abs=0.001)


def test_silence_is_found(tmp_path: Path) -> None:
    audio = list(sound(3))
    for index in range(50, 100):
        audio[index] = AudioFrame(np.zeros((960, 1), np.int16), RATE, audio[index].pts)

    found = perceived(tmp_path, [], audio)

    assert found.sound is not None
    (silence,) = found.sound.silences()
    assert silence.start_s == pytest.approx(1, abs=0.03)
    assert silence.end_s == pytest.approx(2, abs=0.03)
    assert found.sound.holes == ()


def test_a_hole_in_the_sound_is_a_hole_and_moves_nothing(tmp_path: Path) -> None:
    audio = list(sound(1.2)) + [late_audio(frame, 2) for frame in sound(2.2)]

    found = perceived(tmp_path, [], audio)

    assert found.sound is not None
    (hole,) = found.sound.holes
    assert hole.start_s == pytest.approx(1.2, abs=0.03)
    assert hole.end_s == pytest.approx(2, abs=0.03)
    assert found.sound.beeps() == pytest.approx([1, 2, 3, 4], abs=0.0015)


def test_the_pitch_is_told(tmp_path: Path) -> None:
    tone = Tone(659, channels=2)
    frames = encoded(audio=[tone.frame(index) for index in range(50)], channels=2)

    found = perceive(write_part(tmp_path / "a.mkv", frames).path)

    assert found.sound is not None
    assert found.sound.channels == 2
    assert found.sound.pitch_hz(Span(0.2, 0.8)) == pytest.approx(659, abs=2)


def test_sizes_and_colours_are_seen(tmp_path: Path) -> None:
    encoder = VideoEncoder()
    frames = []
    for index, (width, height) in enumerate([(128, 96), (64, 128)]):
        i420 = np.full((height * 3 // 2, width), 90, np.uint8)
        i420[height : height + height // 4] = 160
        frames += encoder.encode(VideoFrame(i420, index * 3000))

    found = perceive(write_part(tmp_path / "a.mkv", frames).path)

    assert [(picture.width, picture.height) for picture in found.pictures] == [(128, 96), (64, 128)]
    assert found.pictures[1].colour == pytest.approx((90, 160, 90), abs=2)
    assert found.numbers() == []
    assert found.share_of_numbers() == 0
