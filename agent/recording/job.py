"""One recording from its folder to its last check."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Protocol

from agent.clock import Clock, LoopClock
from agent.errors import AgentError, MediaLossError, ServiceError, WriteError
from agent.identity import AccessSource
from agent.recording.finishing import ContainerChoice, finish, save
from agent.recording.folder import HEARTBEAT_S, RecordingFolder
from agent.recording.ledger import utc_now
from agent.recording.manifest import Manifest, State, Stop
from agent.recording.recorder import (
    RECORDER_PREFIX,
    Progress,
    Recorder,
    RecordingOptions,
)
from agent.recording.recovery import Rescue, recover
from agent.room import Room
from agent.session import Session, joined

logger = logging.getLogger(__name__)

PROGRESS_S = 0.25

_THEIRS = (Stop.REMOVED, Stop.DUPLICATE_IDENTITY, Stop.CONNECTION_LOST)


@dataclass(frozen=True, slots=True)
class RecordingResult:
    """A recording that is finished.

    Attributes:
        problems: Sentences on what could not be written or did not pass its check.
    """

    folder: Path
    manifest: Manifest
    stop: Stop
    problems: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """With what a command ends that made it."""
        if self.problems:
            return MediaLossError.exit_code
        return ServiceError.exit_code if self.stop in _THEIRS else 0


class Watcher(Protocol):
    """Is told how a recording goes, on the event loop, and returns at once."""

    def started(self, folder: Path) -> None:
        """Hear that the room is joined and the recording has begun."""
        ...

    def progressed(self, progress: Progress) -> None:
        """Hear how far it is, several times a second."""
        ...

    def finishing(self) -> None:
        """Hear that the room is left; the files are joined and checked now."""
        ...

    def rescued(self, rescue: Rescue) -> None:
        """Hear of another recording, which had lost its owner."""
        ...


async def record_room(
    new_room: Callable[[], Room],
    accesses: Callable[[str], AccessSource],
    room: str,
    out: Path,
    options: RecordingOptions,
    *,
    stop: asyncio.Event,
    watcher: Watcher,
    identity: str = "",
    container: ContainerChoice = "auto",
    clock: Clock | None = None,
) -> RecordingResult:
    """Join ``room``, record it into a new folder in ``out``, leave, and finish the recording.

    What crashes left in ``out`` is finished meanwhile, in a thread.

    Args:
        new_room: Makes a connection that is not joined yet.
        accesses: Returns where the tokens come from, of an identity.
        room: Its name, for the folder.
        out: Where the folder is made.
        options: What to record, and until when.
        stop: Once set, ends the recording well.
        watcher: Whom to tell how it goes.
        identity: Ours; by default made of the recording's id.
        container: Of the finished files.
        clock: What it is timed by.

    Raises:
        UsageError: If ``out`` can't be written; the room is not joined then.
        ServiceError: If the room can't be joined; no folder is left behind then.
        WriteError: If the recording can't begin.
    """
    clock = clock or LoopClock()
    folder = RecordingFolder.create(out, room, utc_now())
    try:
        stay = joined(new_room, accesses(identity or f"{RECORDER_PREFIX}{folder.id}"), clock=clock)
        async with stay as session:
            rescue_in_background(out, watcher.rescued)
            recorder = await record_session(
                session, folder, options, clock=clock, stop=stop, watcher=watcher
            )
        watcher.finishing()
        return await finish_recording(folder, recorder, container)
    finally:
        folder.close()


async def record_session(
    session: Session,
    folder: RecordingFolder,
    options: RecordingOptions,
    *,
    clock: Clock,
    stop: asyncio.Event,
    watcher: Watcher,
) -> Recorder:
    """Record what ``session`` meets, until something ends it; the files are not finished then.

    Raises:
        WriteError: If the recording can't begin.
        ExceptionGroup: With what broke it, if that is a bug.
    """
    recorder = Recorder(session, folder, options, clock=clock)
    watcher.started(folder.path)
    async with asyncio.TaskGroup() as tasks:
        attending = (
            tasks.create_task(_stop_when_asked(recorder, stop), name="wait for the stop"),
            tasks.create_task(_tell(recorder, watcher, clock), name="tell the progress"),
        )
        await recorder.run()
        for task in attending:
            task.cancel()
    return recorder


async def finish_recording(
    folder: RecordingFolder, recorder: Recorder, container: ContainerChoice = "auto"
) -> RecordingResult:
    """Join, check and list the files of a recording that has ended, in a thread.

    The folder stays owned; who made it closes it.
    """
    problems = [str(recorder.failure)] if recorder.failure else []
    work = asyncio.create_task(
        asyncio.to_thread(_finish, folder.path, recorder.manifest, container), name="finish"
    )
    try:
        while not work.done():
            await asyncio.wait({work}, timeout=HEARTBEAT_S)
            with suppress(OSError):  # a broken disk: the lock speaks for us all the same
                folder.ownership.beat()
    finally:
        await asyncio.wait({work})  # a thread can't be broken off
    return RecordingResult(
        folder.path,
        recorder.manifest,
        recorder.manifest.end_reason or Stop.STOPPED,
        problems + await work,
    )


def rescue_in_background(out: Path, tell: Callable[[Rescue], None]) -> None:
    """Finish what crashes left in ``out``, in a thread that the process's end breaks off.

    That is safe: a rescue can be done again. ``tell`` is called on the running loop for each
    recording that was rescued, or found damaged.
    """
    loop = asyncio.get_running_loop()

    def run() -> None:
        try:
            for rescue in recover(out):
                if rescue.recovered or rescue.problems:
                    loop.call_soon_threadsafe(tell, rescue)
        except (AgentError, OSError) as error:
            logger.warning("what was left in %s is not finished: %s", out, error)
        except RuntimeError:  # the loop is closed: nobody wants to know any more
            return

    Thread(target=run, name="rescue", daemon=True).start()


async def _stop_when_asked(recorder: Recorder, stop: asyncio.Event) -> None:
    await stop.wait()
    recorder.stop()


async def _tell(recorder: Recorder, watcher: Watcher, clock: Clock) -> None:
    while True:
        watcher.progressed(recorder.progress)
        await clock.sleep_until(clock.now() + PROGRESS_S)


def _finish(folder: Path, manifest: Manifest, container: ContainerChoice) -> list[str]:
    """Return sentences on what is wrong with the finished recording."""
    try:
        done = finish(folder, manifest, State.FINISHING, container)
        manifest.state = State.FAILED if done.problems else State.COMPLETE
        save(folder, manifest)
    except WriteError as error:
        return [f"{error}; `roomcast recover` finishes it once it can be written"]
    return done.problems
