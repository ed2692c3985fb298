"""Whether the SFU for which we sign tokens can be reached."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import aiohttp
from yarl import URL

_PROBE_S: Final = 1.0
_REMEMBER_S: Final = 2.0


class SfuProbe:
    """Asks the SFU for its health, at most once in two seconds however often we are asked."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        sfu_url: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        url = URL(sfu_url)
        scheme = {"ws": "http", "wss": "https"}.get(url.scheme, url.scheme)
        self._url = url.with_scheme(scheme).with_path(url.path.rstrip("/") + "/")
        self._session = session
        self._monotonic = monotonic
        self._asking = asyncio.Lock()
        self._answer = False
        self._stale_at = float("-inf")

    async def is_reachable(self) -> bool:
        """Return whether the SFU answered 200, now or up to two seconds ago."""
        async with self._asking:
            if self._monotonic() >= self._stale_at:
                self._answer = await self._ask()
                self._stale_at = self._monotonic() + _REMEMBER_S
            return self._answer

    async def _ask(self) -> bool:
        timeout = aiohttp.ClientTimeout(total=_PROBE_S)
        try:
            async with self._session.get(
                self._url, timeout=timeout, allow_redirects=False
            ) as response:
                return response.status == 200  # 406: it runs, but its own numbers are stale
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
