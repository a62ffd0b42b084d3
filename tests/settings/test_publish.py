"""The settings of publishing: which URLs can be used, and what must not be in them."""

from __future__ import annotations

import pytest

from robot_node.errors import SettingsError
from robot_node.settings.loading import load_settings
from robot_node.settings.publish import PublishSettings


def test_it_is_off_without_a_url() -> None:
    assert not PublishSettings().enabled
    assert PublishSettings(url="https://sfu.example.org/whip").enabled


@pytest.mark.parametrize(
    ("publish", "reason"),
    [
        ({"url": "sfu.example.org/whip"}, "publish.url: must be the http:// or https:// URL"),
        ({"url": "ftp://sfu.example.org/whip"}, "publish.url: must be the http:// or https:// URL"),
        ({"url": "https://sfu.example.org:99999/"}, "publish.url: must be the http:// or https:// URL"),
        ({"url": "https://sfu.example.org/a b"}, "publish.url: must be the http:// or https:// URL"),
        ({"url": "https://robot:secret@sfu.example.org/"}, "publish.url: must hold neither user nor password"),
        ({"token": "two words"}, "publish.token: must be of ASCII characters"),
        ({"when": "sometimes"}, "publish.when"),
    ],
)
def test_what_cannot_be_used_is_refused_without_secrets(publish: dict[str, str], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as raised:
        load_settings(None, {"publish": publish})
    assert "secret" not in str(raised.value)


def test_it_needs_streaming_and_shows_no_secret() -> None:
    with pytest.raises(SettingsError, match=r"publish\.url: the robot cannot publish while webrtc\.enabled is false"):
        load_settings(None, {"publish": {"url": "https://sfu.example.org/"}, "webrtc": {"enabled": False}})
    settings = PublishSettings(url="https://sfu.example.org/c2VjcmV0/publish", token="hidden")
    assert "c2VjcmV0" not in repr(settings)
    assert "hidden" not in repr(settings)
