"""Whether a host is this machine itself: what may do without token or encryption depends on it."""

from __future__ import annotations

import pytest

from robot_node.core.loopback import is_loopback


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
