from fractions import Fraction

import numpy as np
import pytest

from agent.media import AudioFrame, Codec, EncodedFrame, Kind, VideoFrame


def test_the_time_of_sound_is_exact() -> None:
    frame = AudioFrame(np.zeros((441, 2), np.int16), 44_100, 1)

    assert frame.time == Fraction(1, 44_100)
    assert frame.duration == Fraction(1, 100)


def test_sound_weighs_what_its_samples_take() -> None:
    assert AudioFrame(np.zeros((480, 2), np.int16), 48_000, 0).nbytes == 480 * 2 * 2


def test_a_picture_knows_its_size_from_its_planes() -> None:
    frame = VideoFrame(np.zeros((540, 640), np.uint8), 90_000)

    assert (frame.width, frame.height) == (640, 360)
    assert frame.time == 1
    assert frame.nbytes == 640 * 360 * 3 // 2


def test_the_size_of_a_picture_is_the_one_before_its_rotation() -> None:
    frame = VideoFrame(np.zeros((540, 640), np.uint8), 0, rotation=90)

    assert (frame.width, frame.height) == (640, 360)


def test_an_encoded_frame_counts_in_the_clock_it_names() -> None:
    frame = EncodedFrame(b"abc", Codec.VP8, 45_000, 90_000, key=True)

    assert frame.time == Fraction(1, 2)
    assert frame.nbytes == 3


@pytest.mark.parametrize("codec", Codec)
def test_only_opus_carries_sound(codec: Codec) -> None:
    assert codec.kind is (Kind.AUDIO if codec is Codec.OPUS else Kind.VIDEO)


def test_frames_are_themselves_and_not_their_content() -> None:
    samples = np.zeros((4, 1), np.int16)

    assert AudioFrame(samples, 48_000, 0) != AudioFrame(samples, 48_000, 0)
