import pytest

from tokenserver.errors import ConfigurationError
from tokenserver.serving import Address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("[::1]:0", "::1", 0),
        ("localhost:80", "localhost", 80),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    assert Address.parse(text) == (host, port)


@pytest.mark.parametrize(
    "text", ["", "8080", ":8080", "localhost", "localhost:", "a:65536", "a:-1"]
)
def test_what_is_no_address_is_told_how_to_be_one(text: str) -> None:
    with pytest.raises(ConfigurationError, match="write HOST:PORT"):
        Address.parse(text)
