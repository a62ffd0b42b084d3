"""Addresses of brokers: how they are read, and shown without their secrets."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_node.errors import SettingsError
from robot_node.mqtt import Broker


@pytest.mark.parametrize(
    ("url", "host", "port", "transport", "tls", "path"),
    [
        ("mqtt://host", "host", 1883, "tcp", False, "/mqtt"),
        ("mqtts://host", "host", 8883, "tcp", True, "/mqtt"),
        ("mqtt://u:p%40ss@host:1", "host", 1, "tcp", False, "/mqtt"),
        ("ws://host", "host", 8083, "websockets", False, "/mqtt"),
        ("wss://host:9/path", "host", 9, "websockets", True, "/path"),
        ("mqtt://[::1]:1883", "::1", 1883, "tcp", False, "/mqtt"),
    ],
)
def test_an_address_is_read(url: str, host: str, port: int, transport: str, *, tls: bool, path: str) -> None:
    broker = Broker(url)
    assert (broker.host, broker.port, broker.transport, broker.tls, broker.path) == (host, port, transport, tls, path)


@pytest.mark.parametrize("url", ["", "host", "http://host", "mqtt://", "mqtt://host:port", "mqtt://host:99999"])
def test_an_address_that_cannot_be_read_is_an_error_with_an_example(url: str) -> None:
    with pytest.raises(SettingsError, match="mqtt://host:1883"):
        Broker.from_url(url)


def test_credentials_beside_the_address_are_used_unless_it_has_its_own() -> None:
    beside = Broker.from_url("mqtt://h", username="u", password="p")
    assert (beside.url, beside.username, beside.password) == ("mqtt://h", "u", "p")
    assert Broker.from_url("mqtt://a:b%40@[::1]:1/x", username="u", password="p") == Broker(
        "mqtt://[::1]:1/x", username="a", password="b@"
    )


@given(st.text())
def test_no_text_never_shows_the_password(password: str) -> None:
    broker = Broker("mqtt://host:1", username="u", password=f"secret{password}")
    assert "secret" not in f"{broker} {broker!r}"
    with contextlib.suppress(SettingsError):
        Broker.from_url(password)


def test_an_address_is_shown_without_credentials() -> None:
    assert str(Broker("wss://u:p@host/path")) == "wss://host:8084"
    assert Broker("wss://u:p@host/path").url == "wss://host/path"
    assert str(Broker("mqtt://[::1]")) == "mqtt://[::1]:1883"


def test_several_addresses_are_tried_in_order_with_one_account() -> None:
    broker = Broker("mqtt://u:p@a, mqtts://u:p@b:9,ws://c/x", connect_timeout_s=2.0)
    assert (broker.url, broker.username, broker.password) == ("mqtt://a,mqtts://b:9,ws://c/x", "u", "p")
    assert [(each.host, each.port, each.tls) for each in broker.addresses] == [
        ("a", 1883, False),
        ("b", 9, True),
        ("c", 8083, False),
    ]
    assert {(each.username, each.password, each.connect_timeout_s) for each in broker.addresses} == {("u", "p", 2.0)}
    assert str(broker) == "mqtt://a:1883, mqtts://b:9, ws://c:8083"
    assert not broker.tls
    assert [each.host for each in broker.after(broker.addresses[1]).addresses] == ["c", "a", "b"]
    assert Broker("mqtt://a,mqtt://u:p@b").addresses[0].username == "u"


def test_a_comma_within_an_address_separates_nothing() -> None:
    broker = Broker("mqtt://u:a,b@host")
    assert (len(broker.addresses), broker.password) == (1, "a,b")


@pytest.mark.parametrize("urls", ["mqtt://u:p@a,mqtt://u:q@b", "mqtt://a,mqtt://", "mqtt://a,mqtt://b:port"])
def test_several_addresses_that_cannot_be_used_are_an_error(urls: str) -> None:
    with pytest.raises(SettingsError):
        Broker(urls)
