"""A finished recording of guests, timed by the clock that they acted by."""

import time
from functools import cached_property
from pathlib import Path

from agent.recording.manifest import FileEntry, Manifest, TrackEntry
from agent.room import Source
from tests.perceive import Perception, perceive

BLACK_LUMA = 16


class Recorded:
    """A recording.

    Attributes:
        folder: Where it lies.
        manifest: What it says of itself.
        zero: What the monotonic clock, on which event loops run, read at its timeline's zero.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = Manifest.load(folder)
        self.zero = self.manifest.started_at.timestamp() - time.time() + time.monotonic()
        self._seen: dict[str, Seen] = {}

    def track(self, identity: str, source: Source) -> TrackEntry:
        """Return the one track of ``identity`` and ``source``."""
        [track] = [
            it for it in self.manifest.tracks if (it.identity, it.source) == (identity, source)
        ]
        return track

    def entries(self, identity: str, *sources: Source) -> list[FileEntry]:
        """Return the files of some of the sources of ``identity``; of all, if none is named."""
        paths = {
            path
            for track in self.manifest.tracks
            if track.identity == identity and (not sources or track.source in sources)
            for path in track.files
        }
        return [entry for entry in self.manifest.files if entry.path in paths]

    def seen(self, identity: str, source: Source = Source.MICROPHONE) -> "Seen":
        """Return what the one file with ``source`` of ``identity`` shows and plays."""
        [entry] = self.entries(identity, source)
        if entry.path not in self._seen:
            self._seen[entry.path] = Seen(self.folder / entry.path, self.zero + entry.start_s)
        return self._seen[entry.path]


class Seen:
    """What a file shows and plays, and when on the monotonic clock.

    Attributes:
        starts_at: What that clock read at the file's time 0.
    """

    def __init__(self, path: Path, starts_at: float) -> None:
        self.starts_at = starts_at
        self._path = path

    @cached_property
    def file(self) -> Perception:
        """All of it, in seconds of the file."""
        return perceive(self._path)

    @cached_property
    def shown(self) -> dict[int, float]:
        """When each picture of the pattern is first shown."""
        shown: dict[int, float] = {}
        for picture in self.file.pictures:
            if picture.reading:
                shown.setdefault(picture.reading.number, self.starts_at + picture.time_s)
        return shown

    def delays(self, sent: dict[int, float]) -> dict[int, float]:
        """Return by how much later than it was sent each picture is shown."""
        return {number: at - sent[number] for number, at in self.shown.items() if number in sent}

    @cached_property
    def beeps(self) -> list[float]:
        """When each is heard."""
        assert self.file.sound is not None
        return [self.starts_at + at for at in self.file.sound.beeps()]

    def lit(self, start: float, end: float) -> list[float]:
        """Return when anything but black is shown between two moments."""
        return [
            self.starts_at + picture.time_s
            for picture in self.file.pictures
            if start <= self.starts_at + picture.time_s < end and picture.colour[0] > BLACK_LUMA + 4
        ]

    def heard(self, start: float, end: float) -> float:
        """Return the seconds between two moments in which anything is heard."""
        sound = self.file.sound
        assert sound is not None
        silent = sum(
            max(0.0, min(end, self.starts_at + it.end_s) - max(start, self.starts_at + it.start_s))
            for it in sound.silences()
        )
        return end - start - silent
