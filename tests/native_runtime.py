"""What the SDK starts with the first track it receives, and never ends: threads and a pipe."""

from agent.dev.sfu import Sfu
from agent.identity import ApiKey
from agent.room import VideoOptions
from agent.rtc.room import RtcRoom
from tests.contract.observer import observed, showing, take


async def use_native_runtime(sfu: Sfu) -> None:
    """Receive a picture, so that no test is blamed for what stays behind of the first one."""
    rooms = []
    for identity in ("ann", "bob"):
        room = RtcRoom()
        key = ApiKey(sfu.url, "native-runtime", identity, sfu.api_key, sfu.api_secret)
        await room.connect(await key.access(), timeout_s=10)
        rooms.append(room)
    ann, bob = rooms
    async with observed(ann), observed(bob) as seen:
        publication = await ann.publish_video(VideoOptions(160, 96))
        stream = (await seen.subscribed()).track.open(keep_bytes=1_000_000)
        async with showing(publication):
            await take(stream, 1)
