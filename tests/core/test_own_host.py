"""Which Host and Origin headers a web server of ours takes."""

from __future__ import annotations

import socket

import pytest

from robot_node.core.own_host import is_own_host, is_own_origin, is_same_origin, own_names

NAMES = own_names("Pi.example")


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:8088", "127.0.0.1:8088", "[::1]:8088", "192.168.1.20", "pi.example:80"),
        *("localhost.:1", socket.gethostname(), f"{socket.gethostname()}.local:8088"),
    ],
)
def test_own_names_and_addresses_are_taken(host: str) -> None:
    assert is_own_host(host, NAMES)


@pytest.mark.parametrize(
    "host",
    [
        *("", "attacker.example", "localhost.attacker.example:8088", "127.0.0.1.attacker.example", "localhost:8088:1"),
        *("localhost@attacker.example", "attacker.example@localhost", "localhost/attacker", "localhost:x", "[::1"),
        *("[x]:1", "localhost?a", "localhost:8088,attacker.example", "2130706433.attacker.example"),
    ],
)
def test_foreign_names_are_not(host: str) -> None:
    assert not is_own_host(host, NAMES)


def test_pages_of_other_sites_are_told_by_their_origin() -> None:
    for origin in ("http://localhost:8088", "https://pi.example", "http://[::1]:1", "http://127.0.0.1:9"):
        assert is_own_origin(origin, NAMES), origin
    for origin in (
        *("null", "", "localhost", "ftp://localhost", "https://attacker.example", "http://192.168.1.20:8088"),
        *(
            "http://localhost.attacker.example",
            "http://127.0.0.1:9.attacker.example",
            "http://localhost@attacker.example",
        ),
    ):
        assert not is_own_origin(origin, NAMES), origin


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8088", "localhost:8088"),
        ("https://Pi.example", "pi.example:443"),
        ("http://pi.example:80", "pi.example"),
        ("http://192.168.1.20:8088", "192.168.1.20:8088"),
        ("http://[::1]:1", "[::1]:1"),
        ("https://[FE80::1]", "[fe80::1]"),
    ],
)
def test_a_page_of_the_same_server_has_its_name_and_port(origin: str, host: str) -> None:
    assert is_same_origin(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:9000", "localhost:8088"),
        ("http://127.0.0.1:8088", "localhost:8088"),
        ("https://pi.example:80", "pi.example"),
        *((f"http://192.168.1.{other}", "192.168.1.20:8088") for other in ("20", "20:80", "21:8088")),
        ("ws://192.168.1.20:8088", "192.168.1.20:8088"),
        ("http://pi.example", "pi.example:8088"),
        *((other, "pi.example") for other in ("null", "", "pi.example", "ftp://pi.example", "https://a@pi.example")),
        ("http://", ""),
    ],
)
def test_a_page_of_another_server_of_the_same_machine_has_not(origin: str, host: str) -> None:
    assert not is_same_origin(origin, host)
