"""A recorder in a room in memory, guests who play to it, and a clock that waits for the files."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.media import VIDEO_CLOCK_RATE, Kind
from agent.recording.folder import RecordingFolder
from agent.recording.ledger import utc_now
from agent.recording.manifest import Manifest, Stop, TrackEntry
from agent.recording.recorder import Recorder, RecordingOptions
from agent.room import Access, EndReason, Source
from agent.session import Patience, Session, joined
from agent.tracks.pattern import Pattern, source_id
from agent.tracks.tone import Tone
from tests.doubles import ManualClock, settle
from tests.fake_room import FakeRoom, FakeSfu, FakeTrack, Grant
from tests.perceive import Perception, perceive
from tests.waiting import soon

STEP_S = 0.1
FPS = 10
_STEPS_PER_PICTURE = round(1 / STEP_S / FPS)
_KINDS = {Source.CAMERA: Kind.VIDEO, Source.SCREEN_SHARE: Kind.VIDEO}


@dataclass
class Guest:
    """A participant whose tracks play the test picture and tone at the studio's time."""

    room: FakeRoom
    pattern: Pattern
    tracks: list[FakeTrack] = field(default_factory=list)
    still: bool = False

    def publish(self, source: Source, kind: Kind | None = None) -> FakeTrack:
        track = self.room.start_track(kind or _KINDS.get(source, Kind.AUDIO), source)
        self.tracks.append(track)
        return track

    def unpublish(self, track: FakeTrack) -> None:
        self.tracks.remove(track)
        track.stop()

    def play(self, step: int) -> None:
        for track in self.tracks:
            if track.info.kind is Kind.AUDIO:
                track.put(TONE.frame(step))
            elif not step % _STEPS_PER_PICTURE and not self.still:
                number = step // _STEPS_PER_PICTURE
                pts = round(step * STEP_S * VIDEO_CLOCK_RATE)
                track.put(replace(self.pattern.frame(number), pts=pts))


TONE = Tone(amplitude=0.1, beep_amplitude=0.5, frame_samples=round(STEP_S * 48_000))


class RecorderClock:
    """The studio's clock as the recorder has it.

    Attributes:
        asleep: Whether the recorder's tick has done its work and waits for the next.
    """

    def __init__(self, clock: ManualClock) -> None:
        self.asleep = False
        self._clock = clock

    def now(self) -> float:
        return self._clock.now()

    async def sleep_until(self, deadline: float) -> None:
        self.asleep = deadline > self._clock.now()
        try:
            await self._clock.sleep_until(deadline)
        finally:
            self.asleep = False


class Accesses:
    """Tokens for the recorder."""

    def __init__(self, sfu: FakeSfu, grant: Grant) -> None:
        self._sfu = sfu
        self._grant = grant

    async def access(self) -> Access:
        return self._sfu.access(self._grant)


class Studio:
    """What a test of the recorder plays in.

    Attributes:
        rooms: The recorder's connections, the present one last.
        guests: Who plays as the clock moves.
    """

    def __init__(self, clock: ManualClock, out: Path) -> None:
        self.clock = clock
        self.sfu = FakeSfu(clock)
        self.out = out
        self.grant = Grant("recorder", is_recorder=True)
        self.rooms: list[FakeRoom] = []
        self.guests: list[Guest] = []
        self.stop: Stop | None = None
        self._steps = 0

    async def guest(self, identity: str, *sources: Source, recorder: bool = False) -> Guest:
        room = FakeRoom(self.sfu, "lobby")
        access = self.sfu.access(Grant(identity, identity.title(), is_recorder=recorder))
        await room.connect(access, timeout_s=1)
        guest = Guest(room, Pattern(128, 72, FPS, source_id=source_id(identity)))
        self.guests.append(guest)
        for source in sources:
            guest.publish(source)
        await settle()
        return guest

    def leave(self, guest: Guest) -> None:
        self.guests.remove(guest)
        guest.tracks.clear()
        self.sfu.end(guest.room, EndReason.LEFT)

    @asynccontextmanager
    async def recording(
        self, options: RecordingOptions | None = None, *, rejoin_s: float = 600.0
    ) -> AsyncIterator[Recorder]:
        """Record while inside; on leaving, stop if that was not done, and close the files."""
        folder = RecordingFolder.create(self.out, "lobby", utc_now())
        self.folder = folder
        patience = Patience(rejoin_s=rejoin_s)
        source = Accesses(self.sfu, self.grant)
        try:
            async with joined(self._room, source, clock=self.clock, patience=patience) as session:
                self.session: Session = session
                self._ticking = RecorderClock(self.clock)
                self.recorder = Recorder(
                    session, folder, options or RecordingOptions(), clock=self._ticking
                )
                running = asyncio.create_task(self.recorder.run())
                await settle()
                try:
                    yield self.recorder
                    self.recorder.stop()
                finally:
                    if not running.done() and self.recorder._stop is None:
                        running.cancel()
                    self.stop = await running
        finally:
            folder.ownership.release()

    async def play(self, seconds: float) -> None:
        """Let everybody play for so long, and the recorder write all of it."""
        await settle()
        for _ in range(round(seconds / STEP_S)):
            for guest in self.guests:
                guest.play(self._steps)
            self._steps += 1
            await self.written()
            await self.clock.advance(self._steps * STEP_S - self.clock.now())
            await self.written()

    async def written(self) -> None:
        """Return when the recorder has nothing to do at this time."""
        for _ in range(200):
            if self._is_idle():
                return
            await asyncio.sleep(0)
        await soon(self._is_idle, "everything is written")

    def _is_idle(self) -> bool:
        if self.recorder._stopping.is_set():
            return True
        return self._ticking.asleep and all(
            track.waiting == len(track.streams)
            and not any(stream._buffer._items for stream in track.streams)  # type: ignore[attr-defined]
            for recording in self.recorder._recordings.values()
            for track in recording.tracks.values()
        )

    # What came of it

    @property
    def manifest(self) -> Manifest:
        return Manifest.load(self.folder.path)

    def track(self, identity: str, source: Source) -> TrackEntry:
        (found,) = [
            track
            for track in self.manifest.tracks
            if (track.identity, track.source) == (identity, source)
        ]
        return found

    def tracks(self) -> set[tuple[str, Source]]:
        return {(track.identity, track.source) for track in self.manifest.tracks}

    def files(self) -> set[str]:
        return {path.name for path in (self.folder.path / "participants").iterdir()}

    def seen(self, name: str) -> Perception:
        return perceive(self.folder.path / "participants" / name)

    def gaps(self, identity: str, source: Source) -> list[tuple[float, float, str]]:
        return [
            (round(gap.start_s, 1), round(gap.end_s, 1), str(gap.reason))
            for gap in self.track(identity, source).gaps
        ]

    def _room(self) -> FakeRoom:
        room = FakeRoom(self.sfu, "lobby")
        self.rooms.append(room)
        return room


def near(gaps: Iterable[tuple[float, float, str]], *wanted: tuple[float, float, str]) -> bool:
    """Whether there are just these gaps, to 0.15 s."""
    gaps = list(gaps)
    return len(gaps) == len(wanted) and all(
        abs(found[0] - other[0]) <= 0.15
        and abs(found[1] - other[1]) <= 0.15
        and found[2] == other[2]
        for found, other in zip(gaps, wanted, strict=True)
    )
