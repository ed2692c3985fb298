import pytest

from tokenserver.local import is_loopback, require_local
from tokenserver.refusals import Code, RefusedError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "::ffff:127.0.0.1"])
def test_loopback_addresses_are_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "localhost.example.com", "", "2130706433"],
)
def test_nothing_else_is(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080"]
)
def test_a_caller_on_this_machine_who_uses_our_address_is_let_in(host: str) -> None:
    require_local("127.0.0.1", host, 8080)


def test_the_port_may_be_left_out_where_http_leaves_it_out() -> None:
    require_local("::1", "localhost", 80)


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example:8080",
        "localhost:8081",
        "localhost",
        "localhost.:8080",
        "127.0.0.1.evil.example:8080",
        "[::1]",
        "::1:8080",
        "user@localhost:8080",
        "localhost:8080, evil.example",
        "localhost:99999",
    ],
)
def test_a_page_whose_name_was_made_to_lead_here_is_refused(host: str | None) -> None:
    with pytest.raises(RefusedError) as caught:
        require_local("127.0.0.1", host, 8080)

    assert caught.value.code is Code.WRONG_HOST


@pytest.mark.parametrize("peer", [None, "", "192.0.2.7", "2001:db8::7"])
def test_a_caller_elsewhere_is_refused(peer: str | None) -> None:
    with pytest.raises(RefusedError) as caught:
        require_local(peer, "localhost:8080", 8080)

    assert caught.value.code is Code.NOT_LOCAL
