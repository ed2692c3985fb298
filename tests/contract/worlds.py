"""The places in which the contract holds: in memory, and on a real SFU."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Protocol

from livekit import api

from agent.clock import LoopClock
from agent.dev.sfu import Sfu
from agent.room import Access, EndReason, Room
from agent.rtc.room import RtcRoom
from tests.fake_room import FakeRoom, FakeSfu, Grant

_ROOMS: Iterator[int] = count(1)


class World(Protocol):
    """One room to meet in, seen from outside."""

    def room(self, *, auto_subscribe: bool = True) -> Room:
        """Make a connection that is not joined yet."""
        ...

    def access(self, identity: str, *, may_update: bool = True) -> Access: ...

    def refused_access(self) -> Access: ...

    async def remove(self, identity: str) -> None: ...

    async def present(self) -> set[str]: ...

    async def aclose(self) -> None: ...


class FakeWorld:
    def __init__(self) -> None:
        self.sfu = FakeSfu(LoopClock())

    def room(self, *, auto_subscribe: bool = True) -> Room:
        return FakeRoom(self.sfu, "contract", auto_subscribe=auto_subscribe)

    def access(self, identity: str, *, may_update: bool = True) -> Access:
        return self.sfu.access(Grant(identity, may_update_attributes=may_update))

    def refused_access(self) -> Access:
        return Access("ws://fake", "forged")

    async def remove(self, identity: str) -> None:
        self.sfu.end(self.sfu.member("contract", identity), EndReason.REMOVED)

    async def present(self) -> set[str]:
        return self.sfu.present("contract")

    async def aclose(self) -> None:
        """There is nothing to close."""


class RtcWorld:
    def __init__(self, sfu: Sfu) -> None:
        self._sfu = sfu
        self._room = f"contract-{next(_ROOMS)}"  # who left lingers a moment; nobody shares a room
        self._service = api.LiveKitAPI(sfu.url.replace("ws:", "http:"), sfu.api_key, sfu.api_secret)

    def room(self, *, auto_subscribe: bool = True) -> Room:
        return RtcRoom(auto_subscribe=auto_subscribe)

    def access(self, identity: str, *, may_update: bool = True) -> Access:
        return Access(self._sfu.url, self._token(identity, self._sfu.api_secret, may_update))

    def refused_access(self) -> Access:
        return Access(self._sfu.url, self._token("forger", "f" * 32, may_update=True))

    async def remove(self, identity: str) -> None:
        await self._service.room.remove_participant(
            api.RoomParticipantIdentity(room=self._room, identity=identity)
        )

    async def present(self) -> set[str]:
        answer = await self._service.room.list_participants(
            api.ListParticipantsRequest(room=self._room)
        )
        return {participant.identity for participant in answer.participants}

    async def aclose(self) -> None:
        await self._service.aclose()

    def _token(self, identity: str, secret: str, may_update: bool) -> str:
        grants = api.VideoGrants(
            room_join=True,
            room=self._room,
            can_publish=True,
            can_subscribe=True,
            can_publish_data=True,
            can_update_own_metadata=may_update,
        )
        token = api.AccessToken(self._sfu.api_key, secret).with_identity(identity)
        return token.with_grants(grants).with_ttl(timedelta(minutes=5)).to_jwt()
