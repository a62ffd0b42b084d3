"""The ports of tests are not taken by others."""

from __future__ import annotations

import contextlib
import socket

from tests.ports import first_ephemeral_port, free_port


def test_it_is_free_and_no_connection_gets_it() -> None:
    ports = {free_port() for _ in range(20)}
    assert len(ports) > 10
    with contextlib.ExitStack() as open_sockets:
        for port in ports:
            listener = open_sockets.enter_context(socket.socket())
            listener.bind(("127.0.0.1", port))
            listener.listen()
        chosen = open_sockets.enter_context(socket.socket())
        chosen.bind(("127.0.0.1", 0))
        assert max(ports) < first_ephemeral_port() <= chosen.getsockname()[1]
