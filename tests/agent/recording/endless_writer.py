"""A process that records as fast as it can until it is killed: ``endless_writer.py FILE``.

On stdout goes the time, in seconds of the file, of each frame that was handed over.
"""

import sys
from itertools import count
from pathlib import Path

from agent.media import EncodedFrame
from agent.recording.container import Part
from agent.recording.encoding import AudioEncoder, VideoEncoder
from agent.tracks.pattern import Pattern
from agent.tracks.tone import Tone


def main(path: Path) -> None:
    pattern, tone = Pattern(160, 90), Tone(beep_amplitude=0.5)
    video, audio = VideoEncoder(), AudioEncoder()
    first, sound = video.encode(pattern.frame(0))[0], audio.encode(tone.frame(0))[0]
    part = Part(path, start_s=0, video=first, audio=sound)
    write(part, first)
    write(part, sound)
    for tick in count():
        for index in range(3 * tick + 1, 3 * tick + 4):
            for frame in video.encode(pattern.frame(index)):
                write(part, frame)
        for index in range(5 * tick + 1, 5 * tick + 6):
            for frame in audio.encode(tone.frame(index)):
                write(part, frame)


def write(part: Part, frame: EncodedFrame) -> None:
    part.write(frame, time_s=float(frame.time))
    sys.stdout.write(f"{float(frame.time)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
