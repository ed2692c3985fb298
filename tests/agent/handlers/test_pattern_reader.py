from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.handlers.pattern_reader import PatternReading, read_pattern
from agent.tracks.pattern import Pattern

numbers = st.integers(0, 2**32 - 1)
SMALL = Pattern(160, 90, source_id=9)

VP8 = ("libvpx", "vp8", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}, 150_000)
X264 = ("libx264", "h264", {"preset": "ultrafast", "crf": "35", "tune": "zerolatency"}, None)
Coding = tuple[str, str, dict[str, str], int | None]


def scaled(i420: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    frame = av.VideoFrame.from_ndarray(i420, format="yuv420p")
    return np.asarray(frame.reformat(width, height).to_ndarray(), np.uint8)


def coded(pictures: list[NDArray[np.uint8]], coding: Coding) -> list[NDArray[np.uint8]]:
    """Return the pictures after an encoder and a decoder."""
    name, decoder_name, options, bit_rate = coding
    encoder = av.CodecContext.create(name, "w")
    decoder = av.CodecContext.create(decoder_name, "r")
    assert isinstance(encoder, av.VideoCodecContext)
    assert isinstance(decoder, av.VideoCodecContext)
    encoder.height, encoder.width = pictures[0].shape[0] * 2 // 3, pictures[0].shape[1]
    encoder.pix_fmt = "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 30), Fraction(30)
    encoder.options = options
    if bit_rate:
        encoder.bit_rate = bit_rate
    packets = []
    for index, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = index
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoded = [frame for packet in packets for frame in decoder.decode(packet)]
    return [np.asarray(frame.to_ndarray(), np.uint8) for frame in decoded + decoder.decode(None)]


@given(
    number=numbers,
    source_id=st.integers(0, 255),
    width=st.integers(64, 500).map(lambda half: 2 * half),
    height=st.integers(36, 400).map(lambda half: 2 * half),
)
def test_a_drawn_picture_of_any_size_is_read(
    number: int, source_id: int, width: int, height: int
) -> None:
    pattern = Pattern(width, height, source_id=source_id)

    assert read_pattern(pattern.frame(number).i420) == PatternReading(
        number, source_id, flash=pattern.flashes(number)
    )


@pytest.mark.parametrize("size", [(160, 90), (176, 144), (640, 360), (1920, 1080), (360, 640)])
@pytest.mark.parametrize("drawn", [(160, 90), (640, 360), (1280, 720)])
def test_a_scaled_picture_is_read(drawn: tuple[int, int], size: tuple[int, int]) -> None:
    pattern = Pattern(*drawn, source_id=200)

    for number in (0, 1, 123_456_789):
        reading = read_pattern(scaled(pattern.frame(number).i420, *size))
        assert reading == PatternReading(number, 200, flash=pattern.flashes(number))


@pytest.mark.parametrize("coding", [VP8, X264], ids=["vp8 at 150 kbit/s", "x264 crf 35"])
@pytest.mark.parametrize("size", [(160, 90), (640, 360)])
def test_every_picture_is_read_after_heavy_compression(
    size: tuple[int, int], coding: Coding
) -> None:
    pattern = Pattern(640, 360, source_id=33)
    numbers = range(80, 125)
    sent = [scaled(pattern.frame(number).i420, *size) for number in numbers]

    readings = [read_pattern(picture) for picture in coded(sent, coding)]

    assert readings == [PatternReading(n, 33, flash=pattern.flashes(n)) for n in numbers]


@given(number=numbers, seed=st.integers(0, 2**32), sigma=st.sampled_from([30, 100, 150, 250]))
def test_a_noisy_picture_is_never_misread(number: int, seed: int, sigma: int) -> None:
    drawn = SMALL.frame(number).i420
    noise = np.random.default_rng(seed).normal(0, sigma, drawn.shape)
    reading = read_pattern(np.clip(drawn + noise, 0, 255).astype(np.uint8))

    if sigma <= 30:
        assert reading is not None
    if reading is not None:
        assert (reading.number, reading.source_id) == (number, 9)


@given(number=numbers, ahead=st.integers(1, 60), seed=st.integers(0, 2**32))
def test_a_picture_made_of_two_is_one_of_them_or_none(number: int, ahead: int, seed: int) -> None:
    # What a decoder shows that goes on after a loss.
    blocks = np.random.default_rng(seed).random((9, 10)) < 0.5
    stale = blocks.repeat(16, axis=0).repeat(16, axis=1)[:135]
    mixed = np.where(stale, SMALL.frame(number).i420, SMALL.frame(number + ahead).i420)
    reading = read_pattern(mixed)

    assert reading is None or reading.number in (number, (number + ahead) % 2**32)


def test_a_blend_of_two_pictures_is_not_read() -> None:
    blend = SMALL.frame(40).i420 // 2 + SMALL.frame(90).i420 // 2

    assert read_pattern(blend) is None


def test_what_is_no_pattern_is_not_read() -> None:
    black = np.full((135, 160), 16, np.uint8)
    random = np.random.default_rng(3)
    noise = [random.integers(0, 256, (135, 160), dtype=np.uint8) for _ in range(500)]
    upside_down = np.ascontiguousarray(SMALL.frame(5).i420[::-1])

    found = [read_pattern(picture) for picture in (black, upside_down, *noise)]

    assert [reading for reading in found if reading is not None] == []


def test_a_pattern_in_a_part_of_a_picture_is_read_from_that_part() -> None:
    large = np.full((540, 640), 128, np.uint8)
    large[40:130, 100:260] = SMALL.frame(77).i420[:90]
    part = np.concatenate([large[40:130, 100:260], np.full((45, 160), 128, np.uint8)])

    assert read_pattern(part) == PatternReading(77, 9, flash=SMALL.flashes(77))
