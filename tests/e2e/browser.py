"""A person with a browser: Chromium, with the camera and microphone that it makes up."""

import base64
import io
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import av
import numpy as np
from numpy.typing import NDArray
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, async_playwright

from tests.system_packages import find_program
from tests.waiting import soon

FLAGS = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")

_AS_PNG = """video => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    return canvas.toDataURL("image/png");
}"""

_PLAYS = """() => {
    const players = [...document.querySelectorAll("audio")];
    return players.some(({ paused, currentTime }) => !paused && currentTime > 0.2);
}"""

_LISTEN = """async count => {
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
    for (const { srcObject } of document.querySelectorAll("audio"))
        context.createMediaStreamSource(srcObject).connect(analyser);
    const levels = new Float32Array(analyser.frequencyBinCount);
    const peaks = [];
    while (peaks.length < count) {
        await new Promise(resolve => setTimeout(resolve, 100));
        analyser.getFloatFrequencyData(levels);
        const loudest = levels.indexOf(Math.max(...levels));
        peaks.push([loudest * context.sampleRate / analyser.fftSize, levels[loudest]]);
    }
    await context.close();
    return peaks;
}"""


@dataclass(frozen=True)
class Visitor:
    """Somebody with a page open.

    Attributes:
        requests: Method and address of each, those of web sockets too.
        complaints: Errors on the console, violations of the page's policy included, and what it
            throws.
    """

    page: Page
    requests: list[tuple[str, str]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> set[str | None]:
        """The hosts that were asked for anything."""
        urls = [urlsplit(url) for _, url in self.requests]
        return {url.hostname for url in urls if url.scheme not in ("data", "blob")}

    @property
    def token_requests(self) -> int:
        """How many tokens were asked for."""
        return sum(
            method == "POST" and urlsplit(url).path == "/v1/token" for method, url in self.requests
        )

    async def join(self, url: str) -> None:
        """Open the page and go in, with camera and microphone."""
        await self.page.goto(url)
        await self.page.get_by_role("button", name="Join", exact=True).click()
        await self.page.get_by_test_id("call").wait_for()

    def video_of_another(self) -> Locator:
        """Return the picture of the one other in the room."""
        return self.page.locator(".lk-participant-tile[data-lk-local-participant=false] video")

    async def heard(self, count: int) -> list[tuple[float, float]]:
        """Wait for sound; return, ``count`` times in tenths of a second, the loudest frequency that
        is played, in Hz, and its level in dB.
        """
        await soon(lambda: self.page.evaluate(_PLAYS), "sound is played")
        return [(hz, db) for hz, db in await self.page.evaluate(_LISTEN, count)]


async def pixels(video: Locator) -> NDArray[np.uint8]:
    """Return what a ``<video>`` shows, in its own size, as RGB."""
    url = str(await video.evaluate(_AS_PNG))
    png = base64.b64decode(url.removeprefix("data:image/png;base64,"))
    with av.open(io.BytesIO(png), "r") as container:
        return np.asarray(next(container.decode(video=0)).to_ndarray(format="rgb24"), np.uint8)


@asynccontextmanager
async def chromium() -> AsyncGenerator[Browser]:
    """Run Chromium for as long as the block takes."""
    async with async_playwright() as playwright:
        program = find_program("chromium")
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visitor(browser: Browser) -> AsyncGenerator[Visitor]:
    """Open a window that knows nothing of others."""
    context = await browser.new_context(viewport={"width": 1280, "height": 720})
    page = await context.new_page()
    somebody = Visitor(page)
    note = somebody.requests.append
    context.on("request", lambda request: note((request.method, request.url)))
    page.on("websocket", lambda socket: note(("GET", socket.url)))
    page.on("pageerror", lambda error: somebody.complaints.append(str(error)))
    page.on("console", lambda message: _hear(somebody, message))
    try:
        yield somebody
    finally:
        await context.close()


def _hear(somebody: Visitor, message: ConsoleMessage) -> None:
    if message.type in ("error", "assert"):
        somebody.complaints.append(message.text)
