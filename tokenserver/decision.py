"""What a caller gets: request + caller + policy -> grant, or a refusal with its reason.

Nothing here reads a clock, draws a random number or knows HTTP, so that the whole decision can
be tested as a table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tokenserver.names import is_display_name, is_reserved, is_sound
from tokenserver.policy import ROLE_ATTRIBUTE, CallerRule, Policy, Role, new_identity
from tokenserver.refusals import Code, FieldError, RefusedError
from tokenserver.token_request import TokenRequest

VideoGrant = Mapping[str, bool | str | list[str]]

_ROOM_PREFIX: Final = "room-"


@dataclass(frozen=True, slots=True)
class Grant:
    """What goes into a token, apart from who signs it and when. ``video`` is LiveKit's claim."""

    identity: str
    name: str
    room: str
    role: str
    ttl_s: int
    metadata: str
    attributes: Mapping[str, str]
    video: VideoGrant


def decide(asked: TokenRequest, caller: CallerRule, policy: Policy, unique: str) -> Grant:
    """Return what ``caller`` gets for what it ``asked``; raise :exc:`RefusedError` otherwise.

    ``unique`` is a random text of lower-case letters and digits that nobody else gets: it makes
    the identity and the room of a caller who named none its own.
    """
    role_name = _role_name(asked, caller)
    role = policy.roles[role_name]
    room = _room(asked, policy, unique)
    identity = _identity(asked, policy, role_name, unique)
    return Grant(
        identity=identity,
        name=_display_name(asked, role),
        room=room,
        role=role_name,
        ttl_s=role.ttl,
        metadata=_metadata(asked, role, policy),
        attributes={**_attributes(asked, role, policy), ROLE_ATTRIBUTE: role_name},
        video=video_grant(role, room),
    )


def video_grant(role: Role, room: str) -> VideoGrant:
    """Return LiveKit's ``video`` claim for ``role`` in ``room``, every permission spelled out.

    The SFU takes an absent ``canPublish``, ``canSubscribe`` or ``canPublishData`` for true, and
    an empty list of sources for all of them: "no source" must be ``canPublish: false``.
    """
    may_publish = role.publish == "all" or role.publish not in ("none", ())
    grant: dict[str, bool | str | list[str]] = {
        "room": room,
        "roomJoin": True,
        "roomAdmin": False,
        "roomCreate": False,
        "roomList": False,
        "roomRecord": False,
        "ingressAdmin": False,
        "agent": False,
        "hidden": False,
        "recorder": role.recorder,
        "canPublish": may_publish,
        "canSubscribe": role.subscribe,
        "canPublishData": role.data,
        "canUpdateOwnMetadata": role.update_own_metadata,
        "canSubscribeMetrics": False,
        "canManageAgentSession": False,
    }
    if may_publish and isinstance(role.publish, tuple):
        grant["canPublishSources"] = [source.value for source in role.publish]
    return grant


def _role_name(asked: TokenRequest, caller: CallerRule) -> str:
    name = asked.participant_attributes.get(ROLE_ATTRIBUTE, caller.roles[0])
    if name not in caller.roles:
        reason = "the caller does not hold the role that it asks for"
        raise RefusedError(Code.ROLE_NOT_HELD, reason, _at("participant_attributes", "role"))
    return name


def _room(asked: TokenRequest, policy: Policy, unique: str) -> str:
    if asked.room_name is None:
        room = policy.rooms.only() or f"{_ROOM_PREFIX}{unique}"
        if not policy.rooms.admits(room):
            reason = "no room is named, and the policy allows no room with a random name"
            raise RefusedError(Code.ROOM_REQUIRED, reason, _at("room_name", "required"))
        return room
    if not is_sound(asked.room_name) or not policy.rooms.admits(asked.room_name):
        reason = "the policy does not allow the room"
        raise RefusedError(Code.ROOM_NOT_ALLOWED, reason, _at("room_name", "not_allowed"))
    return asked.room_name


def _identity(asked: TokenRequest, policy: Policy, role_name: str, unique: str) -> str:
    identity = asked.participant_identity
    if identity is None:
        return new_identity(role_name, unique)
    if not is_sound(identity) or re.fullmatch(policy.identity.pattern, identity) is None:
        reason = "the identity is not of the form that the policy asks for"
        raise RefusedError(Code.INVALID_VALUE, reason, _at("participant_identity", "invalid"))
    if is_reserved(identity) and not policy.roles[role_name].recorder:
        reason = "the identity is kept for bots, and the role is not one of a bot"
        raise RefusedError(Code.IDENTITY_RESERVED, reason, _at("participant_identity", "reserved"))
    return identity


def _display_name(asked: TokenRequest, role: Role) -> str:
    if asked.participant_name is None:
        return ""
    if "name" not in role.settable:
        raise _not_settable("participant_name")
    if not is_display_name(asked.participant_name):
        reason = "the name is too long or holds control characters"
        raise RefusedError(Code.INVALID_VALUE, reason, _at("participant_name", "invalid"))
    return asked.participant_name


def _metadata(asked: TokenRequest, role: Role, policy: Policy) -> str:
    if asked.participant_metadata is None:
        return ""
    if "metadata" not in role.settable:
        raise _not_settable("participant_metadata")
    if len(asked.participant_metadata.encode()) > policy.limits.metadata:
        raise _too_large("participant_metadata")
    return asked.participant_metadata


def _attributes(asked: TokenRequest, role: Role, policy: Policy) -> dict[str, str]:
    chosen = {k: v for k, v in asked.participant_attributes.items() if k != ROLE_ATTRIBUTE}
    if not all(f"attributes.{key}" in role.settable for key in chosen):
        raise _not_settable("participant_attributes")
    size = sum(len(key.encode()) + len(value.encode()) for key, value in chosen.items())
    limits = policy.limits.attributes
    if len(chosen) > limits.count or size > limits.total:
        raise _too_large("participant_attributes")
    return chosen


def _at(field: str, code: str) -> FieldError:
    return FieldError(field, code)


def _not_settable(field: str) -> RefusedError:
    reason = f"the role may not choose {field}"
    return RefusedError(Code.FIELD_NOT_SETTABLE, reason, _at(field, "not_settable"))


def _too_large(field: str) -> RefusedError:
    reason = f"{field} is larger than the policy's limit"
    return RefusedError(Code.LIMIT_EXCEEDED, reason, _at(field, "too_large"))
