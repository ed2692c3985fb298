"""Serves the built page: ``index.html``, the hashed files under ``assets/``, and icons."""

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

PAGE_DIRECTORY: Final = Path(__file__).with_name("page")

_NOT_BUILT: Final = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>roomcast</title>"
    "<p>The page is not built. In a checkout, <code>make page</code> builds it; "
    "an installed package has it inside. Tokens are handed out without it.</p></html>"
)
_CONTENT_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".mp3": "audio/mpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
_YEAR_S: Final = 365 * 24 * 3600


class Page:
    """The files of one built page and the headers that confine it."""

    def __init__(self, directory: Path, server_url: str) -> None:
        self._directory = directory
        self._headers = {
            "Content-Security-Policy": content_security_policy(server_url),
            "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self)",
        }

    @property
    def is_built(self) -> bool:
        """Tell whether there is a page to serve."""
        return (self._directory / "index.html").is_file()

    def index(self) -> web.StreamResponse:
        """Return the page, or a sentence where it is not built."""
        if not self.is_built:
            return web.Response(
                text=_NOT_BUILT, status=503, content_type="text/html", headers=self._headers
            )
        return self._file(self._directory / "index.html", "no-cache")

    def asset(self, name: str) -> web.StreamResponse:
        """Return a file whose name holds a hash of its content, so that it never changes."""
        return self._file(
            self._directory / "assets" / name, f"public, max-age={_YEAR_S}, immutable"
        )

    def icon(self, name: str) -> web.StreamResponse:
        """Return a file that lies beside ``index.html``, such as ``favicon.svg``."""
        return self._file(self._directory / name, "no-cache")

    def _file(self, path: Path, cache_control: str) -> web.StreamResponse:
        """Return ``path``, or its ``.gz`` sibling to a client that takes it.

        The routes let no slash and no leading dot into a name, so it stays in its directory.
        """
        content_type = _CONTENT_TYPES.get(path.suffix)
        if content_type is None or not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(
            path,
            headers={
                **self._headers,
                "Content-Type": content_type,
                "Cache-Control": cache_control,
            },
        )


def content_security_policy(server_url: str) -> str:
    """Return the policy under which the page may talk to us and to the SFU, and nobody else.

    The SFU's http origin is there for the client library, which asks it why a socket was
    refused.
    """
    parts = urlsplit(server_url)
    http = "https" if parts.scheme == "wss" else "http"
    sfu = f"{parts.scheme}://{parts.netloc} {http}://{parts.netloc}"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"font-src 'self'; media-src 'self' blob:; connect-src 'self' {sfu}; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )
