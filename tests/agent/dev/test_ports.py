import socket

import pytest

from agent.dev.ports import PortTakenError, Transport, choose_port


@pytest.fixture(params=["tcp", "udp"])
def transport(request: pytest.FixtureRequest) -> Transport:
    return "tcp" if request.param == "tcp" else "udp"


def take(transport: Transport, address: str = "127.0.0.1") -> socket.socket:
    taken = socket.socket(
        socket.AF_INET, socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    )
    taken.bind((address, 0))
    if transport == "tcp":
        taken.listen()
    return taken


def port_of(taken: socket.socket) -> int:
    return int(taken.getsockname()[1])


def test_the_one_asked_for_is_given_if_it_is_free(transport: Transport) -> None:
    with take(transport) as taken:
        port = port_of(taken)

    assert choose_port(port, 1, transport) == port


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_the_one_asked_for_is_an_error_if_it_is_taken(transport: Transport, address: str) -> None:
    with take(transport, address) as taken:
        port = port_of(taken)
        with pytest.raises(PortTakenError) as error:
            choose_port(port, 1, transport)

    assert str(error.value) == (
        f"{transport.upper()} port {port} is taken by another program: "
        "end that one or choose another port"
    )


def test_without_one_asked_for_it_is_the_next_free_after_the_default(transport: Transport) -> None:
    with take(transport) as taken:
        chosen = choose_port(None, port_of(taken), transport)

        assert port_of(taken) < chosen < port_of(taken) + 100


def test_zero_is_any_free_one(transport: Transport) -> None:
    assert choose_port(0, 1, transport) > 1024
