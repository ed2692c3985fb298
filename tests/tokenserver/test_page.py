from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from tests.tokenserver.examples import SIGNING_KEY, policy
from tokenserver.app import make_app
from tokenserver.page import content_security_policy

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "page" / "assets").mkdir(parents=True)
    (tmp_path / "secret.js").write_text("outside")
    for name, text in {
        "index.html": "<!doctype html>",
        "favicon.svg": "<svg/>",
        "assets/index-1a2b.js": "plain",
        "assets/index-1a2b.css": "css",
        "assets/.hidden.js": "hidden",
        "assets/notes.key": "not a type of the page",
    }.items():
        (tmp_path / "page" / name).write_text(text)
    (tmp_path / "page" / "assets" / "index-1a2b.js.gz").write_bytes(b"\x1f\x8b packed")
    return tmp_path / "page"


@pytest.fixture
async def client(directory: Path) -> AsyncIterator[Client]:
    app = make_app(policy(), SIGNING_KEY, sfu_url="ws://127.0.0.1:9", page_directory=directory)
    async with TestClient(TestServer(app), auto_decompress=False) as client:
        yield client


async def test_the_page_may_talk_to_us_and_the_sfu_only(client: Client) -> None:
    response = await client.get("/")

    assert response.status == 200
    assert response.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; media-src 'self' blob:; "
        "connect-src 'self' wss://rtc.example.com https://rtc.example.com; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )
    assert response.headers["Permissions-Policy"] == (
        "camera=(self), microphone=(self), display-capture=(self)"
    )
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"


def test_the_port_of_the_sfu_belongs_to_its_origin_and_the_path_does_not() -> None:
    assert "ws://127.0.0.1:7880 http://127.0.0.1:7880;" in content_security_policy(
        "ws://127.0.0.1:7880/sfu"
    )


async def test_an_asset_never_changes(client: Client) -> None:
    response = await client.get("/assets/index-1a2b.css", headers={"Accept-Encoding": "identity"})

    assert await response.text() == "css"
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers["Content-Type"] == "text/css; charset=utf-8"


async def test_a_client_that_takes_gzip_gets_the_packed_sibling(client: Client) -> None:
    packed = await client.get("/assets/index-1a2b.js", headers={"Accept-Encoding": "gzip"})
    plain = await client.get("/assets/index-1a2b.js", headers={"Accept-Encoding": "identity"})

    assert await packed.read() == b"\x1f\x8b packed"
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert await plain.text() == "plain"


async def test_an_icon_lies_beside_the_page(client: Client) -> None:
    response = await client.get("/favicon.svg")

    assert (response.status, response.headers["Content-Type"]) == (200, "image/svg+xml")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/",
        "/assets/nothing.js",
        "/assets/.hidden.js",
        "/assets/notes.key",
        "/assets/index-1a2b.js.gz",
        "/assets/..%2findex.html",
        "/assets/%2e%2e/index.html",
        "/assets/..%5cindex.html",
        "/..%2fsecret.js",
        "/assets/index-1a2b.js%00.css",
        "/assets",
        "/index.html/",
    ],
)
async def test_only_files_of_the_page_are_served(client: Client, path: str) -> None:
    response = await client.get(URL(path, encoded=True))

    assert response.status == 404
    assert (await response.json())["code"] == "not_found"


async def test_a_page_that_is_not_built_is_a_sentence(client: Client, directory: Path) -> None:
    (directory / "index.html").unlink()

    response = await client.get("/")

    assert response.status == 503
    assert "The page is not built." in await response.text()
    assert response.content_type == "text/html"
