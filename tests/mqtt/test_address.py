"""Addresses of brokers: how they are read, and shown without their secrets."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_node.errors import SettingsError
from robot_node.mqtt import Broker


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://host", Broker("host", 1883)),
        ("mqtts://host", Broker("host", 8883, tls=True)),
        ("mqtt://u:p%40ss@host:1", Broker("host", 1, username="u", password="p@ss")),
        ("ws://host", Broker("host", 8083, transport="websockets")),
        ("wss://host:9/path", Broker("host", 9, transport="websockets", tls=True, path="/path")),
        ("mqtt://[::1]:1883", Broker("::1", 1883)),
    ],
)
def test_an_address_is_read(url: str, broker: Broker) -> None:
    assert Broker.from_url(url) == broker


@pytest.mark.parametrize("url", ["", "host", "http://host", "mqtt://", "mqtt://host:port", "mqtt://host:99999"])
def test_an_address_that_cannot_be_read_is_an_error_with_an_example(url: str) -> None:
    with pytest.raises(SettingsError, match="mqtt://host:1883"):
        Broker.from_url(url)


def test_credentials_beside_the_address_are_used_unless_it_has_its_own() -> None:
    assert Broker.from_url("mqtt://h", username="u", password="p") == Broker("h", 1883, username="u", password="p")
    assert Broker.from_url("mqtt://a:b@h", username="u", password="p") == Broker("h", 1883, username="a", password="b")


@given(st.text())
def test_no_text_never_shows_the_password(password: str) -> None:
    broker = Broker("host", 1, username="u", password=f"secret{password}")
    assert "secret" not in f"{broker} {broker!r}"
    with contextlib.suppress(SettingsError):
        Broker.from_url(password)


def test_an_address_is_shown_without_credentials() -> None:
    assert str(Broker("host", 8084, transport="websockets", tls=True, username="u", password="p")) == "wss://host:8084"
    assert str(Broker("::1", 1883)) == "mqtt://[::1]:1883"
