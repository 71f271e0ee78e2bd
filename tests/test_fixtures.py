"""The ground that all tests stand on holds."""

import socket
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

# Reserved for documentation (RFC 5737, RFC 3849, RFC 2606): nobody answers there.
ELSEWHERE = "192.0.2.1"
ELSEWHERE_6 = "2001:db8::1"


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, ELSEWHERE), (socket.AF_INET6, ELSEWHERE_6)])
@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_a_connection_beyond_this_machine_is_refused(family: int, address: str, method: str) -> None:
    with socket.socket(family) as outgoing, pytest.raises(AssertionError, match="tests reach 127"):
        getattr(outgoing, method)((address, 443))


def test_a_name_is_not_looked_up() -> None:
    with pytest.raises(AssertionError, match=r"looks up 'example\.com'"):
        socket.create_connection(("example.com", 443), timeout=1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_open(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = (host, server.getsockname()[1])
        with socket.create_connection(address, timeout=5) as client:
            assert client.getpeername() == server.getsockname()


def test_unix_sockets_are_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a short name: the length of a socket's path is limited
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("ground")
        server.listen()
        client.connect("ground")
        assert client.getpeername() == "ground"


@pytest.mark.parametrize("turn", ["first", "second"])
def test_each_test_has_an_empty_database(database_url: str, turn: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        assert inspect(connection).get_table_names() == []
        connection.execute(text("CREATE TABLE seen (turn TEXT)"))
    engine.dispose()
