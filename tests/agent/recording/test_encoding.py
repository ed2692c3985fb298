from fractions import Fraction
from itertools import pairwise
from typing import Literal

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.handlers.pattern_reader import read_pattern
from agent.media import VIDEO_CLOCK_RATE, AudioFrame, Codec, EncodedFrame, VideoFrame
from agent.recording.encoding import KEY_INTERVAL_S, AudioEncoder, VideoCodec, VideoEncoder
from tests.films import pictures, sound

RATE = 48_000


def decoded_pictures(frames: list[EncodedFrame]) -> list[NDArray[np.uint8]]:
    name: Literal["h264", "vp8"] = "h264" if frames[0].codec is Codec.H264 else "vp8"
    decoder = av.CodecContext.create(name, "r")
    packets = [av.Packet(frame.data) for frame in frames]
    shown = [picture for packet in [*packets, None] for picture in decoder.decode(packet)]
    return [np.asarray(picture.to_ndarray(), np.uint8) for picture in shown]


def decoded_samples(frames: list[EncodedFrame]) -> NDArray[np.float32]:
    """Return mono samples; the first belongs to the time of the first packet."""
    decoder = av.AudioCodecContext.create("libopus", "r")
    packets = [av.Packet(frame.data) for frame in frames]
    blocks = [block for packet in [*packets, None] for block in decoder.decode(packet)]
    channels = blocks[0].layout.nb_channels
    sound = np.concatenate([block.to_ndarray().reshape(-1, channels) for block in blocks])
    return np.asarray(sound.mean(axis=1) / 32768, np.float32)


def grey(width: int, height: int, pts: int, level: int = 128) -> VideoFrame:
    return VideoFrame(np.full((height * 3 // 2, width), level, np.uint8), pts)


@pytest.mark.parametrize("codec", [Codec.H264, Codec.VP8])
def test_each_picture_comes_out_at_once(codec: VideoCodec) -> None:
    encoder = VideoEncoder(codec)

    assert [len(encoder.encode(frame)) for frame in pictures(1)] == [1] * 30


@pytest.mark.parametrize("codec", [Codec.H264, Codec.VP8])
def test_pictures_decode_to_what_went_in(codec: VideoCodec) -> None:
    encoder = VideoEncoder(codec)

    frames = [out for frame in pictures(1) for out in encoder.encode(frame)]

    readings = [read_pattern(picture) for picture in decoded_pictures(frames)]
    assert [reading and reading.number for reading in readings] == list(range(30))


@pytest.mark.parametrize("fps", [Fraction(16), Fraction(30), Fraction(1, 3)])
def test_a_key_frame_comes_every_two_seconds_of_media_time(fps: Fraction) -> None:
    encoder = VideoEncoder()
    ticks = VIDEO_CLOCK_RATE / fps

    frames = [
        out
        for index in range(100)
        for out in encoder.encode(grey(64, 64, round(index * ticks), 50 + index))
    ]

    keys = [float(frame.time) for frame in frames if frame.key]
    steps = np.diff([*keys, float(frames[-1].time)])
    assert keys[0] == 0
    assert steps.max() <= max(KEY_INTERVAL_S, 1 / float(fps)) + 0.001
    assert len(keys) <= 1 + float(frames[-1].time) / KEY_INTERVAL_S or fps < 1


def test_the_times_of_a_changing_rate_are_kept() -> None:
    encoder = VideoEncoder()
    times = [0, 3000, 9000, 9001, 90_000, 95_625]

    frames = [out for pts in times for out in encoder.encode(grey(64, 64, pts))]

    assert [frame.pts for frame in frames] == times


def test_a_picture_that_is_not_later_gets_the_next_tick() -> None:
    encoder = VideoEncoder()

    frames = [out for pts in (100, 100, 50, 200) for out in encoder.encode(grey(64, 64, pts))]

    assert [frame.pts for frame in frames] == [100, 101, 102, 200]


def test_a_key_frame_can_be_asked_for() -> None:
    encoder = VideoEncoder()

    frames = [
        out
        for index in range(6)
        for out in encoder.encode(grey(64, 64, index * 3000), force_key=index == 4)
    ]

    assert [frame.key for frame in frames] == [True, False, False, False, True, False]


def test_each_key_frame_carries_its_parameter_sets() -> None:
    encoder = VideoEncoder()

    frames = [out for frame in pictures(5) for out in encoder.encode(frame)]

    for frame in frames:
        start_codes = [unit[0] & 0x1F for unit in frame.data.split(b"\0\0\1")[1:] if unit]
        assert ({7, 8, 5} <= set(start_codes)) is frame.key


@pytest.mark.parametrize("codec", [Codec.H264, Codec.VP8])
def test_another_size_begins_with_a_key_frame(codec: VideoCodec) -> None:
    encoder = VideoEncoder(codec)
    sizes = [(128, 96), (128, 96), (64, 48), (64, 48), (96, 128)]

    frames = [
        out
        for index, size in enumerate(sizes)
        for out in encoder.encode(grey(*size, index * 3000, 50 + 30 * index))
    ]

    assert [frame.key for frame in frames] == [True, False, True, False, True]
    assert [(frame.width, frame.height) for frame in frames] == sizes
    shown = decoded_pictures(frames)
    assert [picture.shape for picture in shown] == [(h * 3 // 2, w) for w, h in sizes]
    assert [round(picture[:48].mean() / 30) for picture in shown] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_turned_picture_is_written_upright(rotation: int) -> None:
    luma = np.zeros((64, 96), np.uint8)
    luma[:32, :48] = 200  # the upper left quarter
    chroma = np.full((32, 96), 128, np.uint8)
    frame = VideoFrame(np.concatenate([luma, chroma]), 0, rotation)

    (out,) = VideoEncoder().encode(frame)
    (shown,) = decoded_pictures([out])

    height, width = (96, 64) if rotation % 180 else (64, 96)
    assert (out.width, out.height) == (width, height)
    expected = np.rot90(luma, -rotation // 90)
    assert np.abs(shown[:height].astype(int) - expected).mean() < 3


def click(at: int, channels: int = 1, length: int = RATE) -> NDArray[np.int16]:
    samples = np.zeros((length, channels), np.int16)
    samples[at : at + 24] = 20_000
    return samples


@pytest.mark.parametrize("block", [160, 480, 960, 1024, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_sound_keeps_its_place_whatever_the_blocks(block: int, channels: int) -> None:
    encoder = AudioEncoder(channels)
    samples = click(24_000, channels)
    blocks = range(0, RATE, block)

    frames = [
        out
        for at in blocks
        for out in encoder.encode(AudioFrame(samples[at : at + block], RATE, at))
    ]
    frames += encoder.close()

    heard = decoded_samples(frames)
    at = frames[0].pts + int(np.argmax(np.abs(heard) > 0.2))
    assert at == pytest.approx(24_000, abs=12)
    assert frames[-1].pts + 960 >= RATE


def test_packets_last_20_ms_each_and_follow_each_other() -> None:
    encoder = AudioEncoder()

    frames = [out for frame in sound(1) for out in encoder.encode(frame)]

    assert [frame.pts for frame in frames] == [
        -encoder.pre_skip + 960 * index for index in range(50)
    ]
    assert {frame.duration for frame in frames} == {960}


def test_a_short_hole_is_filled_with_silence() -> None:
    encoder = AudioEncoder()
    first, second = AudioFrame(click(0, length=960), RATE, 0), click(0, length=9600)

    frames = encoder.encode(first)
    frames += encoder.encode(AudioFrame(second, RATE, 3000)) + encoder.close()

    assert np.diff([frame.pts for frame in frames]).tolist() == [960] * (len(frames) - 1)
    heard = np.abs(decoded_samples(frames))
    at = frames[0].pts + 1500 + int(np.argmax(heard[1500:] > 0.2))
    assert at == pytest.approx(3000, abs=12)


def test_a_long_hole_stays_open_and_sound_after_it_is_in_its_place() -> None:
    encoder = AudioEncoder()
    frames = encoder.encode(AudioFrame(click(0, length=1000), RATE, 0))
    frames += encoder.encode(AudioFrame(click(5000, length=9600), RATE, RATE))

    frames += encoder.close()

    steps = np.diff([frame.pts for frame in frames])
    assert steps.min() == 960
    (hole,) = np.flatnonzero(steps > 960)
    resumed = frames[hole + 1]
    assert resumed.pts == RATE - encoder.pre_skip
    before = 960 * (int(hole) + 1)
    heard = np.abs(decoded_samples(frames))[before:]
    assert resumed.pts + int(np.argmax(heard > 0.2)) == pytest.approx(RATE + 5000, abs=12)


def test_sound_for_a_time_that_was_encoded_is_dropped_and_counted() -> None:
    encoder = AudioEncoder()
    encoder.encode(AudioFrame(click(0, length=960), RATE, 0))

    frames = encoder.encode(AudioFrame(click(0, length=960), RATE, 460))
    frames += encoder.encode(AudioFrame(click(0, length=960), RATE, 1420))

    assert encoder.dropped_samples == 500
    assert [frame.pts for frame in frames] == [960 - encoder.pre_skip]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(-3000, 12_000), st.integers(1, 3000)), min_size=1))
def test_packets_never_overlap(steps: list[tuple[int, int]]) -> None:
    encoder = AudioEncoder()
    frames, at = [], 0
    for index, (step, length) in enumerate(steps):
        at = max(0, at + step)
        frames += encoder.encode(AudioFrame(np.zeros((length, 1), np.int16), RATE, at))
        at += length
        if index % 3 == 2:
            frames += encoder.close()

    pts = [frame.pts for frame in frames + encoder.close()]
    assert all(after - before >= 960 for before, after in pairwise(pts))


def test_one_channel_can_be_written_as_two_and_two_as_one() -> None:
    stereo = np.zeros((RATE, 2), np.int16)
    stereo[:, 0] = 8000 * np.sin(np.arange(RATE) * 0.05)

    as_mono = AudioEncoder(1).encode(AudioFrame(stereo, RATE, 0))
    as_stereo = AudioEncoder(2).encode(AudioFrame(stereo[:, :1], RATE, 0))

    assert np.abs(decoded_samples(as_mono)).max() == pytest.approx(4000 / 32767, rel=0.1)
    assert np.abs(decoded_samples(as_stereo)).max() == pytest.approx(8000 / 32767, rel=0.1)


def test_another_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="from 48000 Hz, not from 44100 Hz"):
        AudioEncoder().encode(AudioFrame(click(0), 44_100, 0))


def test_closing_without_sound_gives_nothing() -> None:
    assert AudioEncoder().close() == []
