"""The SDK's words for things in ours. Pure."""

import base64
import binascii
import json
import re
from collections.abc import Iterable

from livekit import rtc
from livekit.rtc._proto.stats_pb2 import RtcStats
from livekit.rtc._proto.track_pb2 import AudioTrackFeature

from agent.media import Codec, Kind
from agent.redaction import without_secrets
from agent.room import EndReason, Participant, Source, TrackInfo

_SOURCES = {
    rtc.TrackSource.SOURCE_CAMERA: Source.CAMERA,
    rtc.TrackSource.SOURCE_MICROPHONE: Source.MICROPHONE,
    rtc.TrackSource.SOURCE_SCREENSHARE: Source.SCREEN_SHARE,
    rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO: Source.SCREEN_SHARE_AUDIO,
}
_SDK_SOURCES = {ours: sdk for sdk, ours in _SOURCES.items()}

_CODECS = {
    "audio/opus": Codec.OPUS,
    "audio/red": Codec.OPUS,  # Opus with redundancy (RFC 2198): what is in it is Opus
    "video/vp8": Codec.VP8,
    "video/vp9": Codec.VP9,
    "video/av1": Codec.AV1,
    "video/h264": Codec.H264,
    "video/h265": Codec.H265,
}

SDK_CODECS = {
    Codec.VP8: rtc.VideoCodec.VP8,
    Codec.VP9: rtc.VideoCodec.VP9,
    Codec.AV1: rtc.VideoCodec.AV1,
    Codec.H264: rtc.VideoCodec.H264,
}
"""What the SDK can encode. H.265 is negotiated as VP8 and delivers nothing."""

_END_REASONS = {
    rtc.DisconnectReason.DUPLICATE_IDENTITY: EndReason.DUPLICATE_IDENTITY,
    rtc.DisconnectReason.SERVER_SHUTDOWN: EndReason.SERVER_SHUTDOWN,
    rtc.DisconnectReason.PARTICIPANT_REMOVED: EndReason.REMOVED,
    rtc.DisconnectReason.ROOM_DELETED: EndReason.ROOM_CLOSED,
    rtc.DisconnectReason.ROOM_CLOSED: EndReason.ROOM_CLOSED,
}

_SDK_ROTATIONS = {
    0: rtc.VideoRotation.VIDEO_ROTATION_0,
    90: rtc.VideoRotation.VIDEO_ROTATION_90,
    180: rtc.VideoRotation.VIDEO_ROTATION_180,
    270: rtc.VideoRotation.VIDEO_ROTATION_270,
}
_DEGREES: dict[object, int] = {sdk: ours for ours, sdk in _SDK_ROTATIONS.items()}


def participant(sdk: rtc.Participant) -> Participant:
    """Return what we know of ``sdk`` now.

    The SDK drops the ``recorder`` grant of others; LiveKit's own recorders have a kind.
    """
    return Participant(
        identity=sdk.identity,
        sid=sdk.sid,
        name=sdk.name,
        attributes=sdk.attributes,
        may_update_attributes=sdk.permissions.can_update_metadata,
        is_recorder=sdk.kind == rtc.ParticipantKind.PARTICIPANT_KIND_EGRESS,
    )


def track_info(sdk: rtc.TrackPublication) -> TrackInfo:
    """Return what we know of the publication ``sdk`` now."""
    return TrackInfo(
        sid=sdk.sid,
        kind=Kind.AUDIO if sdk.kind == rtc.TrackKind.KIND_AUDIO else Kind.VIDEO,
        source=_SOURCES.get(sdk.source, Source.UNKNOWN),
        name=sdk.name,
        codec=_CODECS.get(sdk.mime_type.lower()),
        muted=sdk.muted,
    )


def is_stereo(sdk: rtc.TrackPublication) -> bool:
    """Return whether the publisher says that its sound has two channels."""
    return AudioTrackFeature.TF_STEREO in sdk.audio_features


def room_sid(sdk: rtc.Room) -> str:
    """Return the room's SID if it is known, without waiting for it as the SDK would."""
    asking = sdk.sid.__await__()
    try:
        waiting = next(asking)
    except StopIteration as answer:
        return str(answer.value)
    except RuntimeError:  # not connected
        return ""
    if waiting is not None:
        waiting.cancel()
    asking.close()
    return ""


def sdk_source(source: Source) -> rtc.TrackSource.ValueType:
    """Return the SDK's name of ``source``."""
    return _SDK_SOURCES.get(source, rtc.TrackSource.SOURCE_UNKNOWN)


def degrees(rotation: object) -> int:
    """Return the SDK's ``rotation`` in degrees clockwise."""
    return _DEGREES.get(rotation, 0)


def sdk_rotation(degrees_clockwise: int) -> rtc.VideoRotation.ValueType:
    """Return the SDK's name of a rotation."""
    return _SDK_ROTATIONS[degrees_clockwise]


def end_reason(sdk: rtc.DisconnectReason.ValueType, *, asked: bool) -> EndReason:
    """Return why a connection ended; ``asked`` if it was us who ended it."""
    if asked:
        return EndReason.LEFT
    return _END_REASONS.get(sdk, EndReason.CONNECTION_LOST)


def jitter_buffer(stats: Iterable[RtcStats]) -> tuple[float, int]:
    """Return ``jitterBufferDelay`` in seconds and ``jitterBufferEmittedCount``; zeros if absent."""
    for entry in stats:
        if entry.WhichOneof("stats") == "inbound_rtp":
            inbound = entry.inbound_rtp.inbound
            return inbound.jitter_buffer_delay, inbound.jitter_buffer_emitted_count
    return 0.0, 0


def room_of(token: str) -> str:
    """Return the room that ``token`` is for, unverified; empty if that can't be read."""
    parts = token.split(".")
    if len(parts) != 3:
        return ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return ""
    grants = claims.get("video") if isinstance(claims, dict) else None
    room = grants.get("room") if isinstance(grants, dict) else None
    return room if isinstance(room, str) else ""


def refusal(message: str) -> tuple[str, bool]:
    """Return why joining failed, as a phrase, and whether trying again may help.

    Args:
        message: The SDK's; it may quote the token.
    """
    text = without_secrets(message)
    found = re.search(r"(?:client|handshake) error: (\d{3})", text)
    status = int(found[1]) if found else 0
    if status in (401, 403):
        detail = text.split(" - ", 1)[-1] if " - " in text else text
        return f"the server refused the token ({_short(detail)})", False
    if status == 404:
        return "there is no LiveKit server at this address (404); check the URL", True
    if status >= 500:
        return f"the server answered {status}; it does so when the room is full", True
    if "parse the url" in text:
        return "this is not a URL of a LiveKit server; it starts with ws:// or wss://", False
    for said, phrase in _UNREACHABLE:
        if said in text:
            return phrase, True
    return _short(text), True


_UNREACHABLE = (
    ("Connection refused", "nothing listens there; is the server running?"),
    ("lookup address", "the host name can't be resolved; check the URL and the network"),
    ("timed out", "the server did not answer in time"),
    ("timeout", "the server did not answer in time"),
)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:199] + "…"
