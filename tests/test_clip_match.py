"""The comparison has to accept what was published and to refuse everything else."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.media import VIDEO_CLOCK_RATE, AudioFrame, VideoFrame
from tests.clip_match import compare_with_clip
from tests.films import encoded, write_part
from tests.perceive import RATE, Perception, perceive

FPS, WIDTH, HEIGHT = 25, 160, 90
SECONDS = 3

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]


@cache
def scene(index: int) -> Planes:
    """Return a picture with soft blobs on their ways, unlike itself mirrored or later."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    time = index / FPS
    luma = 60 + 50 * x / WIDTH + 20 * np.sin(y / 9 + time)
    for number in range(5):
        at_x = WIDTH * (0.5 + 0.45 * np.sin(time * (0.7 + 0.3 * number) + 2 * number))
        at_y = HEIGHT * (0.5 + 0.45 * np.cos(time * (0.5 + 0.4 * number) + number))
        luma += 90 * np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (75 + 100 * number))
    half_y, half_x = y[::2, ::2], x[::2, ::2]
    blue = 128 + 50 * np.sin(half_x / 30 + time)
    red = 128 + 50 * np.cos(half_y / 20 - time)
    return tuple(np.clip(plane, 16, 235).astype(np.uint8) for plane in (luma, blue, red))


def film(
    change: Callable[[Plane], Plane] = lambda plane: plane, *, order: int = 1
) -> list[NDArray[np.uint8]]:
    shown = []
    for index in range(SECONDS * FPS)[::order]:
        planes = [change(plane).reshape(-1) for plane in scene(index)]
        shown.append(np.concatenate(planes).reshape(-1, WIDTH))
    return shown


def music() -> NDArray[np.int16]:
    """Return sound that is different at each moment: noise, whose band and loudness change."""
    random = np.random.default_rng(3)
    noise = random.standard_normal(SECONDS * RATE)
    smooth = np.convolve(noise, np.hanning(40), "same")
    swell = 0.6 + 0.4 * np.sin(np.arange(len(noise)) * 7 / RATE)
    return np.asarray(1500 * smooth * swell, np.int16)[:, np.newaxis]


def recorded(
    path: Path,
    shown: list[NDArray[np.uint8]],
    played: NDArray[np.int16],
    *,
    loops: int = 2,
    late_video_s: float = 0.0,
    late_audio_s: float = 0.0,
) -> Perception:
    """Record a clip from its second second on, looped."""
    start = FPS
    order = [index % len(shown) for index in range(start, len(shown) * loops)]
    video = [
        VideoFrame(shown[index], round((place / FPS + late_video_s) * VIDEO_CLOCK_RATE))
        for place, index in enumerate(order)
    ]
    samples = np.tile(played, (loops, 1))[RATE:]
    audio = [AudioFrame(samples, RATE, round(late_audio_s * RATE))]
    return perceive(write_part(path, encoded(video, audio)).path)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Perception:
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    audio = [AudioFrame(music(), RATE, 0)]
    video = [VideoFrame(i420, index * VIDEO_CLOCK_RATE // FPS) for index, i420 in enumerate(film())]
    return perceive(write_part(path, encoded(video, audio)).path)


def test_a_recording_of_the_clip_is_accepted(tmp_path: Path, clip: Perception) -> None:
    match = compare_with_clip(recorded(tmp_path / "a.mkv", film(), music()), clip)

    assert match.faults() == []
    assert match.skew_s == pytest.approx(0, abs=0.01)
    assert match.gain_db == pytest.approx(0, abs=0.5)


def test_files_can_be_compared_without_being_perceived_first(
    tmp_path: Path, clip: Perception
) -> None:
    found = recorded(tmp_path / "a.mkv", film(), music())

    assert compare_with_clip(found.path, clip.path) == compare_with_clip(found, clip)


@pytest.mark.parametrize("by_s", [-0.3, -0.1, 0.1, 0.3])
def test_sound_that_is_not_with_its_pictures_is_refused(
    tmp_path: Path, clip: Perception, by_s: float
) -> None:
    found = recorded(
        tmp_path / "a.mkv",
        film(),
        music(),
        late_video_s=max(-by_s, 0),
        late_audio_s=max(by_s, 0),
    )
    match = compare_with_clip(found, clip)

    assert match.skew_s == pytest.approx(by_s, abs=0.01)
    assert [fault.split(" s ")[1] for fault in match.faults()] == ["behind the pictures"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        pytest.param(lambda plane: plane[:, ::-1], "pictures differ", id="mirrored"),
        pytest.param(lambda plane: plane[::-1], "pictures differ", id="upside down"),
        pytest.param(
            lambda plane: np.roll(plane, plane.shape[1] // 20, 1), "pictures differ", id="shifted"
        ),
        pytest.param(lambda plane: plane // 8 + 112, "pictures differ", id="washed out"),
        pytest.param(
            lambda plane: (
                (16 + plane * 0.86).astype(np.uint8) if plane.shape[1] == WIDTH else plane
            ),
            "contrast differs",
            id="wrong range",
        ),
        pytest.param(
            lambda plane: plane if plane.shape[1] == WIDTH else np.full_like(plane, 128),
            "pictures differ",
            id="grey",
        ),
    ],
)
def test_other_pictures_are_refused(
    tmp_path: Path, clip: Perception, change: Callable[[Plane], Plane], fault: str
) -> None:
    found = recorded(tmp_path / "a.mkv", film(change), music())

    assert any(it.startswith(fault) for it in compare_with_clip(found, clip).faults())


def test_pictures_in_another_order_are_refused(tmp_path: Path, clip: Perception) -> None:
    found = recorded(tmp_path / "a.mkv", film(order=-1), music())

    assert any(
        "of the pictures are in order" in it for it in compare_with_clip(found, clip).faults()
    )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        pytest.param(lambda sound: sound * 0, "correlation 0.00", id="silenced"),
        pytest.param(lambda sound: sound[::-1], "sound differs", id="backwards"),
        pytest.param(lambda sound: sound // 4, "loudness differs by -1", id="too quiet"),
        pytest.param(
            lambda sound: np.repeat(sound, 2, axis=0)[: len(sound)], "sound differs", id="slow"
        ),
        pytest.param(
            lambda sound: sound.reshape(-1, RATE // 5, 1)[::-1].reshape(-1, 1),
            "of the sound is in order",
            id="shuffled",
        ),
    ],
)
def test_other_sound_is_refused(
    tmp_path: Path,
    clip: Perception,
    change: Callable[[NDArray[np.int16]], NDArray[np.int16]],
    fault: str,
) -> None:
    found = recorded(tmp_path / "a.mkv", film(), change(music()))

    assert any(fault in it for it in compare_with_clip(found, clip).faults())
