"""The thread on which the SDK's media streams run, whatever the other loops are busy with."""

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future

from agent.rtc.native_memory import keep_frame_memory


class MediaTask:
    """A coroutine that runs on the media loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_end: Callable[[], None]) -> None:
        self._loop = loop
        self._on_end = on_end
        self._ended: Future[None] = Future()
        self._ended.set_running_or_notify_cancel()  # nobody who waits can cancel it
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False

    def start(self, work: Coroutine[None, None, None]) -> None:
        """Start ``work``; on the media loop."""
        self._task = self._loop.create_task(work)
        self._task.add_done_callback(self._end)
        if self._cancelled:
            self._task.cancel()

    def cancel(self) -> None:
        """Cancel it, from any thread; :meth:`wait` tells when it has ended. Idempotent."""
        self._cancelled = True
        if not self._ended.done() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel)

    async def wait(self, timeout_s: float) -> bool:
        """Wait until it has ended; return whether it has."""
        ended = asyncio.wrap_future(self._ended)
        done, _ = await asyncio.wait({ended}, timeout=timeout_s)
        return bool(done)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _end(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # A bug, and nobody awaits this task: the loop's handler shows the traceback.
            self._loop.call_exception_handler(
                {"message": "a media stream broke", "exception": error, "task": task}
            )
        self._on_end()
        self._ended.set_result(None)


class MediaLoop:
    """An event loop in a thread of its own that lives while there is something to run.

    The SDK hands over frames through queues without a bound. Here they are emptied at once;
    what a slow reader can't take is dropped and counted further on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running = 0

    def run(self, work: Callable[[], Coroutine[None, None, None]]) -> MediaTask:
        """Start ``work`` on the loop, from any thread."""
        with self._lock:
            loop = self._loop
            if loop is None:
                keep_frame_memory()
                loop = self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=_serve, args=(loop,), name="media-loop", daemon=True
                ).start()
            self._running += 1
            task = MediaTask(loop, self._ended)
            loop.call_soon_threadsafe(lambda: task.start(work()))
            return task

    def _ended(self) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0 and self._loop is not None:
                self._loop.stop()
                self._loop = None


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


@functools.cache
def shared_media_loop() -> MediaLoop:
    """Return the one of this process: the SDK under it is one per process, too."""
    return MediaLoop()
