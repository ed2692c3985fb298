"""The peer: a recorder as one writes it on the bare SDK, for a participant who never fails.

One video and one audio track into one file, by arrival; nothing against slow disks, mutes,
reconnects or crashes. ``python -m tests.bench.raw_recorder ROOM FILE SECONDS``.
"""

import asyncio
import os
import sys
from fractions import Fraction

import av
import numpy as np
from livekit import api, rtc


async def main(room_name: str, path: str, seconds: float) -> None:
    token = (
        api.AccessToken(os.environ["LIVEKIT_API_KEY"], os.environ["LIVEKIT_API_SECRET"])
        .with_identity("raw")
        .with_grants(api.VideoGrants(room_join=True, room=room_name))
        .to_jwt()
    )
    room = rtc.Room()
    tracks: asyncio.Queue[rtc.Track] = asyncio.Queue()
    room.on("track_subscribed", lambda track, *_: tracks.put_nowait(track))
    await room.connect(os.environ["LIVEKIT_URL"], token)
    both = {track.kind: track for track in [await tracks.get(), await tracks.get()]}
    with av.open(path, "w", format="matroska") as file:
        video = file.add_stream("libx264", rate=30, options={"preset": "superfast", "crf": "23"})
        sound = file.add_stream("libopus", rate=48_000)
        sound.layout = "mono"
        loop = asyncio.get_running_loop()
        zero = loop.time()
        sized = asyncio.Event()

        async def pictures() -> None:
            async for event in rtc.VideoStream(
                both[rtc.TrackKind.KIND_VIDEO], format=rtc.VideoBufferType.I420
            ):
                frame = event.frame
                planes = np.frombuffer(frame.data, np.uint8).reshape(-1, frame.width)
                picture = av.VideoFrame.from_ndarray(planes, "yuv420p")
                if not sized.is_set():
                    video.width, video.height = frame.width, frame.height
                    sized.set()
                picture.pts = int((loop.time() - zero) * 1000)
                picture.time_base = Fraction(1, 1000)
                file.mux(video.encode(picture))

        async def samples() -> None:
            await sized.wait()  # a container's header has the size in it
            count = 0
            async for event in rtc.AudioStream(both[rtc.TrackKind.KIND_AUDIO]):
                block = np.frombuffer(event.frame.data, np.int16).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(block, "s16", "mono")
                frame.sample_rate = 48_000
                frame.pts = count
                count += block.shape[1]
                file.mux(sound.encode(frame))

        reading = [asyncio.ensure_future(pictures()), asyncio.ensure_future(samples())]
        ended, _ = await asyncio.wait(reading, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in ended:
            task.result()  # a peer that has stopped working is none
        for task in reading:
            task.cancel()
        file.mux(sound.encode(None))
        file.mux(video.encode(None))
    await room.disconnect()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
