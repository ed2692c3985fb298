"""The file of one participant, in as many parts as its writing takes.

A container fixes its streams when it is opened, and the camera may come ten minutes after the
microphone: then a new part begins that has both. Finishing joins them.

Used by one thread. Times are seconds on the recording's timeline.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.media import VIDEO_CLOCK_RATE, AudioFrame, Codec, EncodedFrame, Kind, VideoFrame
from agent.recording.container import Part
from agent.recording.encoding import AudioEncoder, VideoEncoder
from agent.recording.timeline import SAMPLE_RATE, AudioPlacement

PATIENCE_S = 1.5
"""How long a part waits for the first frame of a kind that is expected."""

GRACE_S = 0.3
"""How long it waits for a kind that nobody has announced: tracks come one after the other."""

START_TAG = "ROOMCAST_START_S"
IDENTITY_TAG = "ROOMCAST_IDENTITY"
SUFFIX_TAG = "ROOMCAST_SUFFIX"

SCREEN, UNKNOWN = "--screen", "--unknown"
"""After the identity in the names of files whose sources are not to be mixed with a camera's."""

PLACEHOLDER_SIZE = (640, 360)
BLACK_LUMA, GREY_CHROMA = 16, 128  # ITU-R BT.601, limited range


@dataclass(slots=True)
class PartInfo:
    """A part as far as it has been written."""

    path: Path
    start_s: float
    end_s: float


class ParticipantFile:
    """Encodes what has to be, and writes it.

    Attributes:
        parts: In order; the last is being written.
        end_s: Up to where there is anything.
    """

    def __init__(self, base: Path, tags: Mapping[str, str]) -> None:
        """Write ``<base>.mkv``, then ``<base>.2.mkv`` and so on, each with ``tags``."""
        self.parts: list[PartInfo] = []
        self.end_s = 0.0
        self._base = base
        self._tags = dict(tags)
        self._expected: set[Kind] = set()
        self._part: Part | None = None
        self._kinds: frozenset[Kind] = frozenset()
        self._pending: list[EncodedFrame] = []
        self._video = VideoEncoder()
        self._audio: AudioEncoder | None = None
        self._channels = 1
        self._cursor = 0  # the next sample, counted from the timeline's zero
        self._force_key = False
        self._copied = False
        self._gated = False
        self._size = PLACEHOLDER_SIZE

    @property
    def name(self) -> str:
        """Of its parts, without number and ending."""
        return self._base.name

    def expect(self, kind: Kind) -> None:
        """Wait a little for ``kind`` before the next part is opened."""
        self._expected.add(kind)

    def sound(
        self, samples: NDArray[np.int16], placement: AudioPlacement, start_s: float | None
    ) -> None:
        """Write a block as :class:`~agent.recording.timeline.AudioTimeline` placed it.

        Args:
            samples: Shape ``(n, channels)``.
            placement: What to do with them.
            start_s: The timeline's; ``None`` if nothing of all there was has a place.
        """
        if start_s is None:
            return
        if self._audio is None:
            self._channels = samples.shape[1]
            self._audio = AudioEncoder(self._channels)
            self._cursor = round(start_s * SAMPLE_RATE)
        self.silence(placement.silence)
        block = _stretched(samples[placement.skip :], placement.stretch)
        if len(block):
            self._encode_sound(block)

    def silence(self, samples: int) -> None:
        """Write as many samples of silence."""
        while samples > 0:
            step = min(samples, SAMPLE_RATE)
            self._encode_sound(np.zeros((step, self._channels), np.int16))
            samples -= step

    def picture(self, frame: VideoFrame, time_s: float) -> None:
        """Show ``frame`` from ``time_s`` on."""
        upright = frame.rotation % 180 == 0
        size = (frame.width, frame.height)
        self._size = size if upright else size[::-1]
        timed = VideoFrame(frame.i420, round(time_s * VIDEO_CLOCK_RATE), frame.rotation)
        force_key, self._force_key = self._force_key, False
        for encoded in self._video.encode(timed, force_key=force_key):
            self._add(encoded)

    def encoded(self, frame: EncodedFrame, time_s: float) -> None:
        """Write a frame as it came, at ``time_s``; pictures only from a key frame on."""
        if frame.codec.kind is Kind.VIDEO:
            if frame.lost_before or not self._copied:
                self._gated = True
            self._gated = self._gated and not frame.key
            self._copied = True
            if self._gated:
                return
        self._add(replace(frame, pts=round(time_s * frame.clock_rate)))

    def black(self, times: Sequence[float]) -> None:
        """Show black from each of ``times`` on; each is a picture where decoding can start.

        Pictures that are copied stand still instead: ours might be of another codec.
        """
        for time_s in () if self._copied else times:
            frame = VideoFrame(_black(*self._size), round(time_s * VIDEO_CLOCK_RATE))
            for encoded in self._video.encode(frame, force_key=True):
                self._add(encoded)

    def hurry(self, now_s: float) -> None:
        """Open the next part if what waits for it has waited long enough."""
        if self._pending and now_s - float(self._pending[0].time) >= PATIENCE_S:
            self._open_part()

    def close(self) -> None:
        """Write what is still to be written and finish the last part. Idempotent."""
        try:
            if self._audio:
                for encoded in self._audio.close():
                    self._add(encoded)
            if self._pending:
                self._open_part()
        finally:
            self._close_part()

    def _encode_sound(self, block: NDArray[np.int16]) -> None:
        if self._audio:
            for encoded in self._audio.encode(AudioFrame(block, SAMPLE_RATE, self._cursor)):
                self._add(encoded)
            self._cursor += len(block)

    def _add(self, frame: EncodedFrame) -> None:
        kind = frame.codec.kind
        waiting = {pending.codec.kind for pending in self._pending}
        if self._part and kind in self._kinds and not (waiting and frame.key):
            self._write(self._part, frame)
            return
        if kind is Kind.VIDEO and not frame.key and kind not in waiting:
            self._force_key = True  # a part that has lacked pictures needs one to start with
            return
        if self._part and Kind.VIDEO in self._kinds:
            self._force_key = True  # so that the next part has pictures from its start
        self._pending.append(frame)
        if self._is_ready():
            self._open_part()

    def _is_ready(self) -> bool:
        kinds = {frame.codec.kind for frame in self._pending}
        if len(kinds) == len(Kind):
            return True
        times = [frame.time for frame in self._pending]
        is_all_expected = kinds >= self._expected | self._kinds
        return max(times) - min(times) >= (GRACE_S if is_all_expected else PATIENCE_S)

    def _open_part(self) -> None:
        self._close_part()
        pending, self._pending = self._pending, []
        start_s = max(0.0, round(min(map(self._heard_or_seen_s, pending)), 6))
        number = len(self.parts) + 1
        path = self._base.with_name(
            f"{self._base.name}.mkv" if number == 1 else f"{self._base.name}.{number}.mkv"
        )
        firsts = {frame.codec.kind: frame for frame in reversed(pending)}
        tags = {**self._tags, START_TAG: f"{start_s:.6f}"}
        self._part = Part(
            path,
            start_s=start_s,
            video=firsts.get(Kind.VIDEO),
            audio=firsts.get(Kind.AUDIO),
            tags=tags,
        )
        self._kinds = frozenset(firsts)
        self.parts.append(PartInfo(path, start_s, start_s))
        for frame in sorted(pending, key=lambda frame: frame.time):
            self._write(self._part, frame)

    def _close_part(self) -> None:
        part, self._part = self._part, None
        if part:
            part.close()

    def _heard_or_seen_s(self, frame: EncodedFrame) -> float:
        ahead = self._audio.pre_skip if self._audio and frame.codec is Codec.OPUS else 0
        return float(frame.time) + ahead / SAMPLE_RATE

    def _write(self, part: Part, frame: EncodedFrame) -> None:
        time_s = float(frame.time)
        part.write(frame, time_s=time_s)
        end_s = time_s + frame.duration / frame.clock_rate
        self.parts[-1].end_s = max(self.parts[-1].end_s, end_s)
        self.end_s = max(self.end_s, end_s)


def _black(width: int, height: int) -> NDArray[np.uint8]:
    picture = np.full((height * 3 // 2, width), GREY_CHROMA, np.uint8)
    picture[:height] = BLACK_LUMA
    return picture


def _stretched(block: NDArray[np.int16], stretch: int) -> NDArray[np.int16]:
    """Return ``block`` with ``stretch`` samples doubled, or left out, evenly spread."""
    if not stretch or not len(block):
        return block
    length = max(0, len(block) + stretch)
    return block[np.linspace(0, len(block) - 1, length).round().astype(np.intp)]
