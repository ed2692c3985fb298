"""The recorder: a room's events and tracks in, a folder of files and a manifest out."""

import asyncio
import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase

from agent.clock import Clock
from agent.errors import ServiceError, WriteError
from agent.recording.folder import HEARTBEAT_S, PARTICIPANTS, RecordingFolder
from agent.recording.ledger import Ledger, utc_now
from agent.recording.manifest import GapReason, Manifest, Stop
from agent.recording.names import unique_name
from agent.recording.participant import ParticipantRecording
from agent.recording.participant_file import (
    IDENTITY_TAG,
    SCREEN,
    SUFFIX_TAG,
    UNKNOWN,
    ParticipantFile,
)
from agent.room import (
    Ended,
    EndReason,
    Participant,
    ParticipantChanged,
    ParticipantJoined,
    ParticipantLeft,
    Reconnected,
    Reconnecting,
    RemoteTrack,
    RoomEvent,
    Source,
    TrackEvent,
    TrackMuted,
    TrackPublished,
    TrackSubscribed,
    TrackUnmuted,
    TrackUnpublished,
    TrackUnsubscribed,
)
from agent.session import Session

logger = logging.getLogger(__name__)

RECORDING_ATTRIBUTE = "roomcast.recording"
RECORDER_PREFIX = "rec-"

TICK_S = 0.5
LATE_S = 0.25
"""A tick later than this tells of a machine that stood still: what it held up comes first."""

SAVE_S = 2.0
DRAIN_S = 5.0
"""How long tracks may take to write what they had received when the recording is stopped."""

_SUFFIXES = {
    Source.CAMERA: "",
    Source.MICROPHONE: "",
    Source.SCREEN_SHARE: SCREEN,
    Source.SCREEN_SHARE_AUDIO: SCREEN,
    Source.UNKNOWN: UNKNOWN,
}
"""Of a participant's files: each has room for one track of pictures and one of sound."""

_STOPS = {
    EndReason.REMOVED: Stop.REMOVED,
    EndReason.DUPLICATE_IDENTITY: Stop.DUPLICATE_IDENTITY,
    EndReason.LEFT: Stop.STOPPED,
}


@dataclass(frozen=True, slots=True)
class RecordingOptions:
    """What to record, and until when.

    Attributes:
        include: Identities to record, ``*`` matching anything; empty is everyone.
        exclude: Identities not to record, whatever ``include`` says.
        sources: Empty is every source.
        seconds: To stop after; ``None`` is never.
        until_empty_s: To stop after so long without anyone who publishes; ``None`` is never.
        max_bytes: To stop when the files are as large; ``None`` is never.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    sources: Sequence[Source] = ()
    seconds: float | None = None
    until_empty_s: float | None = 60.0
    max_bytes: int | None = None

    def wants(self, participant: Participant, source: Source) -> bool:
        """Return whether to record ``source`` of ``participant``; never of another recorder."""
        if _is_recorder(participant) or _matches(participant.identity, self.exclude):
            return False
        if self.include and not _matches(participant.identity, self.include):
            return False
        return not self.sources or source in self.sources


@dataclass(frozen=True, slots=True)
class Progress:
    """A recording as it stands.

    Attributes:
        tracks: Of each participant, the sources that have frames.
        waiting_for: Why nothing comes just now; empty while something does.
    """

    seconds: float
    bytes: int
    tracks: Mapping[str, Sequence[Source]]
    gaps: int
    dropped: int
    waiting_for: str


class Recorder:
    """Records what a session meets into a folder that this process owns.

    Attributes:
        failure: What kept it from writing; ``None`` if nothing did.
    """

    def __init__(
        self,
        session: Session,
        folder: RecordingFolder,
        options: RecordingOptions,
        *,
        clock: Clock,
    ) -> None:
        """Begin the timeline; its zero is now.

        Raises:
            WriteError: If the folder can't be written.
        """
        self.failure: WriteError | None = None
        self._session = session
        self._folder = folder
        self._options = options
        self._clock = clock
        self._zero = clock.now()
        self._ledger = Ledger(folder, session.room_name, utc_now())
        self._recordings: dict[tuple[str, str], ParticipantRecording] = {}
        self._offers: dict[str, set[str]] = {}
        self._reading: set[asyncio.Task[None]] = set()
        self._reconnecting = False
        self._empty_since_s: float | None = 0.0
        self._stopping = asyncio.Event()
        self._stop: Stop | None = None
        self._stopped_s = 0.0

    @property
    def manifest(self) -> Manifest:
        """As last written."""
        return self._ledger.manifest

    @property
    def progress(self) -> Progress:
        """A snapshot for whoever watches."""
        sources: dict[str, list[Source]] = {}
        tracks = []
        for recording in self._recordings.values():
            with_frames = [track for track in recording.tracks.values() if track.log.frames]
            tracks += with_frames
            sources.setdefault(recording.identity, []).extend(t.source for t in with_frames)
        waiting = "someone who publishes" if self._empty_since_s is not None else ""
        return Progress(
            seconds=self._now_s(),
            bytes=sum(entry.bytes for entry in self.manifest.files),
            tracks=sources,
            gaps=sum(len(track.log.gaps) for track in tracks),
            dropped=sum(track.dropped for track in tracks),
            waiting_for="the connection" if self._reconnecting else waiting,
        )

    def stop(self, reason: Stop = Stop.STOPPED) -> None:
        """End the recording here; the first reason counts. :meth:`run` does the rest."""
        if self._stop is None:
            self._stop, self._stopped_s = reason, self._now_s()
            self._stopping.set()

    async def run(self) -> Stop:
        """Record until something ends it; on return the files are closed, but not finished.

        Raises:
            ExceptionGroup: With what broke it, if that is a bug; the files are closed then too.
        """
        try:
            await self._announce("on")
            async with asyncio.TaskGroup() as tasks:
                loops = (
                    tasks.create_task(self._follow(tasks), name="follow the room"),
                    tasks.create_task(self._tick(), name="tick"),
                )
                await self._stopping.wait()
                for loop in loops:
                    loop.cancel()
                await self._drain()
        finally:
            self.stop(Stop.RECORDER_DOWN)  # does nothing if it was stopped for a reason
            stop = await self._close()
        await self._announce("off")
        return stop

    async def _follow(self, tasks: asyncio.TaskGroup) -> None:
        self._ledger.room_opened(self._session.room_sid)
        async for event in self._session.events():
            with self._stop_when_unwritable():
                self._ledger.event(event, self._at_s(event))
            if isinstance(event, TrackSubscribed):
                self._subscribed(event, tasks)
            else:
                self._heed(event)
            self._note_emptiness(self._at_s(event))

    def _heed(self, event: RoomEvent) -> None:
        at_s = self._at_s(event)
        match event:
            case ParticipantJoined() | ParticipantChanged():
                self._ledger.met(event.participant, at_s)
            case ParticipantLeft():
                self._ledger.left(event.participant, at_s)
                self._offers.pop(event.participant.identity, None)
                for recording in self._of(event.participant):
                    recording.interrupt(at_s, GapReason.LEFT)
            case TrackEvent():
                self._heed_track(event, at_s)
            case Reconnecting():
                self._reconnecting = True
                closed = event.reason is EndReason.ROOM_CLOSED
                for recording in self._recordings.values():
                    reason = GapReason.ROOM_CLOSED if closed else GapReason.RECONNECTING
                    recording.interrupt(at_s, reason)
            case Reconnected():
                self._reconnecting = False
                self._empty_since_s = at_s  # until those who are there are told of
                self._ledger.room_opened(self._session.room_sid)
                for recording in self._recordings.values():
                    recording.resume()
            case Ended():
                self.stop(_STOPS.get(event.reason, Stop.CONNECTION_LOST))
            case _:
                pass

    def _heed_track(self, event: TrackEvent, at_s: float) -> None:
        offers = self._offers.setdefault(event.participant.identity, set())
        match event:
            case TrackPublished():
                if self._options.wants(event.participant, event.track.source):
                    offers.add(event.track.sid)
                    self._session.subscribe(event.track.sid, wanted=True)
            case TrackUnpublished():
                offers.discard(event.track.sid)
            case _:
                pass
        recording = self._recordings.get(_key(event.participant, event.track.source))
        slot = (event.track.source, event.track.kind)
        track = recording.tracks.get(slot) if recording else None
        if track is None or track.log.sid != event.track.sid:
            return  # another one has taken its place
        match event:
            case TrackMuted():
                track.muted = True
                track.log.interrupt(at_s, GapReason.MUTED)
            case TrackUnmuted():
                track.muted = False
                track.log.resume()
            case TrackUnpublished() | TrackUnsubscribed():
                track.log.interrupt(at_s, GapReason.UNPUBLISHED)
            case _:
                pass

    def _subscribed(self, event: TrackSubscribed, tasks: asyncio.TaskGroup) -> None:
        remote = event.track
        if not self._options.wants(remote.participant, remote.info.source):
            return
        recording = self._recording(remote.participant, remote.info.source)
        track = recording.track(remote.info.source, remote.info.kind)
        track.log.subscribed(remote.info.sid)
        track.muted = remote.info.muted
        if track.muted:
            track.log.interrupt(self._at_s(event), GapReason.MUTED)
        reading = tasks.create_task(
            self._record(recording, remote), name=f"record {remote.info.sid}"
        )
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)

    async def _record(self, recording: ParticipantRecording, remote: RemoteTrack) -> None:
        with self._stop_when_unwritable():
            await recording.record(remote)

    async def _tick(self) -> None:
        due = self._clock.now()
        beaten = saved = due
        while True:
            due += TICK_S
            await self._clock.sleep_until(due)
            now = self._clock.now()
            with self._stop_when_unwritable():
                if now - due > LATE_S:
                    due = now
                else:
                    for recording in list(self._recordings.values()):
                        await recording.fill(now - self._zero)
                if now - saved >= SAVE_S:
                    saved = now
                    self._ledger.save(self._recordings.values(), now - self._zero)
                if now - beaten >= HEARTBEAT_S:
                    beaten = now
                    self._folder.ownership.beat()
            self._check_limits(now - self._zero)

    def _check_limits(self, now_s: float) -> None:
        options = self._options
        if options.seconds is not None and now_s >= options.seconds:
            self.stop(Stop.LIMIT)
        if options.max_bytes is not None and self.progress.bytes >= options.max_bytes:
            self.stop(Stop.LIMIT)
        if (
            options.until_empty_s is not None
            and self._empty_since_s is not None
            and now_s - self._empty_since_s >= options.until_empty_s
        ):
            self.stop(Stop.ROOM_EMPTY)

    def _note_emptiness(self, at_s: float) -> None:
        if any(self._offers.values()) or self._reconnecting:  # from outside nobody can tell
            self._empty_since_s = None
        elif self._empty_since_s is None:
            self._empty_since_s = at_s

    async def _drain(self) -> None:
        for recording in list(self._recordings.values()):
            await recording.end_streams()
        if self._reading:
            _, late = await asyncio.wait(self._reading, timeout=DRAIN_S)
            for task in late:
                logger.warning("%s did not end in time", task.get_name())
                task.cancel()

    async def _close(self) -> Stop:
        async with AsyncExitStack() as files:  # each of them, whatever becomes of the others
            for recording in self._recordings.values():
                files.push_async_callback(self._close_file, recording)
        stop = self._stop or Stop.STOPPED
        if self.failure:
            stop = Stop.DISK_FULL if self.failure.disk_full else Stop.WRITE_FAILED
        self._ledger.finishing(stop, self._stopped_s)
        with self._stop_when_unwritable():
            self._ledger.save(self._recordings.values(), self._stopped_s, durable=True)
        with self._stop_when_unwritable():
            self._ledger.close()
        return stop

    async def _close_file(self, recording: ParticipantRecording) -> None:
        with self._stop_when_unwritable():
            await recording.close()

    async def _announce(self, state: str) -> None:
        """Let the room see what we do, where our token allows it."""
        try:
            await self._session.set_attributes({RECORDING_ATTRIBUTE: state})
        except ServiceError as error:
            logger.warning("the room can't be shown that it is recorded: %s", error)

    def _recording(self, participant: Participant, source: Source) -> ParticipantRecording:
        key = _key(participant, source)
        if key not in self._recordings:
            self._recordings[key] = self._begin(participant, key[1])
        return self._recordings[key]

    def _begin(self, participant: Participant, suffix: str) -> ParticipantRecording:
        taken = [recording.file.name for recording in self._recordings.values()]
        base = self._folder.path / PARTICIPANTS / unique_name(participant.identity + suffix, taken)
        tags = {
            "title": f"{self._session.room_name}: {participant.identity}",
            "ROOMCAST_ID": self._folder.id,
            IDENTITY_TAG: participant.identity,
            SUFFIX_TAG: suffix,
        }
        file = ParticipantFile(base, tags)
        return ParticipantRecording(participant.identity, file, zero=self._zero)

    def _of(self, participant: Participant) -> list[ParticipantRecording]:
        identity = participant.identity
        return [it for it in self._recordings.values() if it.identity == identity]

    def _now_s(self) -> float:
        return self._clock.now() - self._zero

    def _at_s(self, event: RoomEvent) -> float:
        return max(0.0, event.at - self._zero)

    @contextmanager
    def _stop_when_unwritable(self) -> Generator[None]:
        """End the recording, with everything written so far, where it can't go on."""
        try:
            yield
        except WriteError as error:
            logger.error("%s", error)  # noqa: TRY400 - not a bug: no traceback
            self.failure = self.failure or error
            self.stop(Stop.DISK_FULL if error.disk_full else Stop.WRITE_FAILED)


def _key(participant: Participant, source: Source) -> tuple[str, str]:
    return participant.identity, _SUFFIXES[source]


def _is_recorder(participant: Participant) -> bool:
    """Return whether ``participant`` records too.

    The SDK shows the grant for egress alone. One of ours tells by its attribute, which is
    believed only together with an identity that token servers keep for recorders: somebody who
    is taken for a recorder is lost.
    """
    is_ours = participant.identity.startswith(RECORDER_PREFIX)
    return participant.is_recorder or (is_ours and RECORDING_ATTRIBUTE in participant.attributes)


def _matches(identity: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(identity, pattern) for pattern in patterns)
