"""Hosts: which are this machine itself (what needs no token depends on it), and how to write one in a URL."""

from __future__ import annotations

import pytest

from robot_node.core.hosts import host_in_url, is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104  # nothing listens here
        ("::", False),
        ("192.168.1.2", False),
        ("pi.local", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("", False),
    ],
)
def test_only_this_machine_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_ipv6_addresses_are_in_brackets_in_a_url() -> None:
    assert [host_in_url(host) for host in ("::1", "127.0.0.1", "pi.local")] == ["[::1]", "127.0.0.1", "pi.local"]
