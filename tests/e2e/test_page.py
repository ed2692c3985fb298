"""The page in a real browser: what a person sees, hears and reads, and what is recorded of them."""

import asyncio
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import Locator, expect

from agent.dev.demo import BOT, TONE_AMPLITUDE
from agent.dev.sfu import Sfu
from agent.dev.token_server import running_token_server
from agent.handlers.pattern_reader import PatternReading, read_pattern
from agent.sync_marks import BEEP_HZ
from agent.tracks.pattern import source_id
from tests.e2e.browser import Visitor, chromium, pixels, visitor
from tests.e2e.demo_process import Demo, roomcast_dev
from tests.perceive import Perception, perceive
from tests.waiting import soon
from tokenserver.page import PAGE_DIRECTORY

# The first of them to run makes the visit, which is within its time.
pytestmark = [pytest.mark.e2e, pytest.mark.requires_program("chromium"), pytest.mark.timeout(60)]

CAMERA_OFF_S = 2.0
BARS = [(red, green, blue) for green in (191, 0) for red in (191, 0) for blue in (191, 0)]


@dataclass(frozen=True)
class Visit:
    """What came of a visit to a room with the bot in it.

    Attributes:
        shown: The bot's picture at two moments, half a second of it apart, as RGB.
        heard: The loudest frequency, in Hz, and its level, in dB, at some moments.
        sign: The state of the sign that says whether the room is recorded.
        farewell: What the page said after the person had left.
        code: With what ``roomcast dev`` ended.
        recording: What it said of its recording.
        perception: What that holds of the person.
    """

    shown: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    heard: list[tuple[float, float]]
    sign: str | None
    farewell: str | None
    visitor: Visitor
    code: int
    recording: dict[str, Any]
    perception: Perception

    def track(self, source: str) -> dict[str, Any]:
        """Return what the manifest says of the person's camera or microphone."""
        tracks: list[dict[str, Any]] = self.recording["manifest"]["tracks"]
        [track] = [track for track in tracks if track["source"] == source]
        return track


@pytest.fixture(scope="module", autouse=True)
def built_page() -> None:
    if not (PAGE_DIRECTORY / "index.html").exists():
        pytest.fail("the page is not built: `make page` builds it", pytrace=False)


@pytest.fixture(scope="module")
def visit(sfu_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Visit:
    """One visit, for all who look at what came of it."""
    folder = tmp_path_factory.mktemp("visit")
    with roomcast_dev(sfu_binary, folder, "--json", "--port", "0") as demo:
        return asyncio.run(_visit(demo))


def test_the_bots_bars_are_shown_in_their_colours(visit: Visit) -> None:
    height, width, _ = visit.shown[0].shape
    middles = [visit.shown[0][height // 4, (2 * bar + 1) * width // 16] for bar in range(8)]

    assert np.abs(np.array(middles, int) - BARS).max() <= 12


def test_the_bots_picture_moves_and_says_whose_it_is(visit: Visit) -> None:
    first, later = (_reading(picture) for picture in visit.shown)

    assert first.source_id == later.source_id == source_id(BOT)
    assert 10 <= later.number - first.number <= 40  # at 25 a second


def test_the_bots_tone_and_its_beep_are_heard(visit: Visit) -> None:
    _not_full_yet, *heard = visit.heard  # the analyser's first window has silence in it
    tone_db = [db for hz, db in heard if abs(hz - 440) < 6]
    beeps = [hz for hz, _ in heard if abs(hz - BEEP_HZ) < 6]

    assert len(tone_db) + len(beeps) == len(heard)
    assert beeps
    # An analyser's window takes 7.5 dB off a sine, and one that lies between two bins up to 1.1.
    assert np.median(tone_db) == pytest.approx(20 * np.log10(TONE_AMPLITUDE) - 13.5, abs=3)


def test_the_room_is_seen_to_be_recorded(visit: Visit) -> None:
    assert visit.sign == "on"


def test_who_leaves_is_at_the_door_again(visit: Visit) -> None:
    assert visit.farewell == "You left the room."


def test_nothing_is_asked_of_another_host(visit: Visit) -> None:
    assert visit.visitor.hosts == {"127.0.0.1"}


def test_a_visit_takes_one_token(visit: Visit) -> None:
    assert visit.visitor.token_requests == 1


def test_the_console_has_no_error_and_no_violation_of_the_pages_policy(visit: Visit) -> None:
    assert visit.visitor.complaints == []


def test_the_camera_is_recorded_as_it_was_seen(visit: Visit) -> None:
    camera = visit.track("camera")
    [gap] = camera["gaps"]
    zero = visit.recording["manifest"]["files"][0]["start_s"]
    pictures = [
        picture
        for picture in visit.perception.pictures
        if not gap["start_s"] - 0.1 < picture.time_s + zero < gap["end_s"] + 0.1
    ]
    shown_s = camera["duration_s"] - (gap["end_s"] - gap["start_s"])
    changes = [np.abs(a.thumbnail - b.thumbnail).max() for a, b in pairwise(pictures)]

    # Chromium's makes 20 pictures a second: a disc that turns on a green that swells.
    assert len(pictures) / shown_s == pytest.approx(20, abs=4)
    assert max(blue for _, blue, _ in (picture.colour for picture in pictures)) < 20
    assert max(red for *_, red in (picture.colour for picture in pictures)) < 20
    assert np.mean(np.array(changes) > 10) > 0.9


def test_the_microphone_is_recorded_as_it_was_heard(visit: Visit) -> None:
    sound = visit.perception.sound
    assert sound is not None
    loud = np.flatnonzero(sound.levels() > 0.02) / 100
    onsets = [time for before, time in pairwise([-1.0, *loud]) if time - before > 0.1]
    intervals = np.diff(onsets)

    assert visit.track("microphone")["gaps"] == []
    assert len(intervals) >= 6
    assert np.abs(intervals - 0.5).max() < 0.1  # Chromium's beeps twice a second


def test_a_camera_that_is_switched_off_leaves_a_gap_that_says_so(visit: Visit) -> None:
    [gap] = visit.track("camera")["gaps"]
    zero = visit.recording["manifest"]["files"][0]["start_s"]
    middle = (gap["start_s"] + gap["end_s"]) / 2 - zero
    shown = [picture for picture in visit.perception.pictures if picture.time_s <= middle][-1]

    assert gap["reason"] == "muted"
    assert CAMERA_OFF_S - 0.3 <= gap["end_s"] - gap["start_s"] <= CAMERA_OFF_S + 1.5
    assert shown.colour == pytest.approx((16, 128, 128), abs=3)  # black


def test_the_demonstration_ends_well_after_the_visit(visit: Visit) -> None:
    manifest = visit.recording["manifest"]

    assert (visit.code, manifest["state"], visit.recording["problems"]) == (0, "complete", [])
    assert [participant["name"] for participant in manifest["participants"]] == ["Ann"]


async def test_an_outage_is_told_while_it_lasts(own_sfu: Sfu, tmp_path: Path) -> None:
    log = tmp_path / "tokens.log"
    async with (
        running_token_server(own_sfu, port=0, log=log) as tokens,
        chromium() as browser,
        visitor(browser) as ann,
    ):
        await ann.join(f"{tokens.url}?room=outage&name=Ann")
        banner = ann.page.get_by_test_id("connection-banner")
        await expect(banner).to_have_attribute("data-state", "connected")
        await expect(banner).to_be_empty()

        await asyncio.to_thread(own_sfu.kill)
        await expect(banner).to_have_text("Connection lost, trying again…")

        await asyncio.to_thread(own_sfu.start)
        await expect(banner).to_have_attribute("data-state", "connected", timeout=25_000)
        await expect(banner).to_be_empty()


async def _visit(demo: Demo) -> Visit:
    url = await asyncio.to_thread(demo.page)
    async with chromium() as browser, visitor(browser) as ann:
        await ann.join(f"{url}&name=Ann")
        video = ann.video_of_another()
        await soon(lambda: video.evaluate("video => video.videoWidth > 8"), "a picture is shown")
        first = await pixels(video)
        await _played(video, 0.5)
        second = await pixels(video)
        heard = await ann.heard(15)
        sign = await ann.page.get_by_test_id("recording-sign").get_attribute("data-state")
        camera = ann.page.get_by_role("button", name="Camera", exact=True)
        await camera.click()
        await _played(video, CAMERA_OFF_S)
        await camera.click()
        await soon(lambda: demo.events("track_unmuted"), "the camera is on again")
        await _played(video, 1.5)
        await ann.page.get_by_role("button", name="Leave", exact=True).click()
        farewell = await ann.page.get_by_test_id("door").get_by_role("status").text_content()
        await soon(lambda: demo.events("participant_left"), "the bot has seen her leave")
    demo.press_ctrl_c()
    code, printed = await asyncio.to_thread(demo.end)
    recording = json.loads(printed)
    [file] = recording["manifest"]["files"]
    perception = perceive(Path(recording["folder"]) / file["path"])
    return Visit((first, second), heard, sign, farewell, ann, code, recording, perception)


async def _played(video: Locator, seconds: float) -> None:
    """Wait until so much more of it was shown."""
    end = await video.evaluate("video => video.currentTime") + seconds
    reached = "(video, end) => video.currentTime >= end"
    await soon(lambda: video.evaluate(reached, end), f"{seconds} s more are shown")


def _reading(rgb: NDArray[np.uint8]) -> PatternReading:
    picture = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
    reading = read_pattern(np.asarray(picture.to_ndarray(), np.uint8))
    assert reading is not None
    return reading
