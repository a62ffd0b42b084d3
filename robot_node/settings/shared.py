"""Checks that several sections share: URLs and secrets of servers, and client ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field

from robot_node.mqtt.identifiers import is_client_id


def server_url(value: str, suits: Callable[[SplitResult], bool], *, must_be: str, secret: str) -> str:
    """Return the URL of a server as it is; empty stands for none.

    Args:
        value: The URL.
        suits: Whether its scheme and host will do.
        must_be: What it must be, for the error.
        secret: The setting to which a secret belongs instead.

    Raises:
        ValueError: It is no such URL, or it holds a user or a password.
    """
    if not value:
        return value
    try:
        parts = urlsplit(value)
        usable = suits(parts) and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(f"must be {must_be}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"must hold neither user nor password: set {secret}")
    return value


def _bearer_token(value: str) -> str:
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError("must be of ASCII characters without space")
    return value


def _client_id(value: str) -> str:
    if not is_client_id(value):
        raise ValueError("must be a client id: without '/', '+', '#' and control characters")
    return value


BearerToken = Annotated[str, Field(repr=False), AfterValidator(_bearer_token)]
"""A secret that goes into an ``Authorization`` header."""

ClientId = Annotated[str, Field(max_length=128), AfterValidator(_client_id)]
"""The client that calls the robot's tools, for its role and limits."""
