"""Settings: file < environment < command line; what is wrong is refused with source, key and reason."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from robot_node.errors import SettingsError
from robot_node.mcp_mqtt.options import ServerLimits
from robot_node.mcp_mqtt.roles import Permissions
from robot_node.mqtt import Broker
from robot_node.settings.loading import load_settings
from robot_node.settings.tree import keys

SHIPPED = Path(__file__).parents[2] / "config" / "robot-node.toml"


def write(folder: Path, text: str) -> Path:
    file = folder / "robot.toml"
    file.write_text(text)
    return file


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, "[camera]\nwidth = 640\nheight = 480\nframe_rate = 15\n")
    monkeypatch.setenv("ROBOT_NODE_CAMERA__HEIGHT", "360")
    monkeypatch.setenv("ROBOT_NODE_CAMERA__FRAME_RATE", "10")
    camera = load_settings(file, {"camera": {"frame_rate": 5}}).camera
    assert (camera.width, camera.height, camera.frame_rate) == (640, 360, 5)


def test_a_secret_comes_from_the_environment_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBOT_NODE_BROKER__PASSWORD", "hunter2")
    settings = load_settings()
    assert settings.broker.password == "hunter2"
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in repr(settings.broker)


def test_systemds_credentials_win_over_the_file_and_the_environment_over_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = 'url = "mqtts://broker"\ncert_file = "/robot.crt"\nkey_file = "/robot.key"\n'
    file = write(tmp_path, f'[broker]\npassword = "from the file"\n{tls}')
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for content in ("", "\n"):  # the unit's own fallback for a secret that is not there
        (tmp_path / "broker-password").write_text(content)
        (tmp_path / "client-key").write_text(content)
        broker = load_settings(file).broker
        assert (broker.password, broker.key_file) == ("from the file", Path("/robot.key"))
    (tmp_path / "broker-password").write_text("hunter2\n")
    (tmp_path / "client-key").write_text("-----BEGIN PRIVATE KEY-----\n")
    broker = load_settings(file).broker
    assert (broker.password, broker.key_file) == ("hunter2", tmp_path / "client-key")
    assert load_settings(file).webrtc.ice_servers == ()
    (tmp_path / "client-key-password").write_text("hunter4\n")
    (tmp_path / "ice-servers").write_text("stun:pi:3478\n\nturn:robot:hunter5@pi:3478\n")
    assert load_settings(file).broker.key_password == "hunter4"
    assert load_settings(file).webrtc.ice_servers == ("stun:pi:3478", "turn:robot:hunter5@pi:3478")
    monkeypatch.setenv("ROBOT_NODE_BROKER__PASSWORD", "hunter3")
    assert load_settings(file).broker.password == "hunter3"


def test_a_credential_that_cannot_be_read_or_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "broker-password").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match=r"credential .*broker-password cannot be read: it is not UTF-8"):
        load_settings()
    (tmp_path / "broker-password").unlink()
    (tmp_path / "client-key").write_text("a key without a certificate")
    with pytest.raises(SettingsError, match=r"^Wrong settings: credential client-key: broker\.key_file: is the key of"):
        load_settings(None, {"broker": {"cert_file": None}})


@pytest.mark.parametrize(
    "url",
    ['["mqtts://u:p@one", "mqtts://two:9"]', '"mqtts://u:p@one,mqtts://two:9"', '["mqtts://one", "mqtts://u:p@two:9"]'],
)
def test_the_broker_may_have_several_addresses(tmp_path: Path, url: str) -> None:
    broker = load_settings(write(tmp_path, f"[broker]\nurl = {url}\n")).broker
    assert [str(address) for address in broker.addresses] == ["mqtts://one:8883", "mqtts://two:9"]
    assert {(address.username, address.password) for address in broker.addresses} == {("u", "p")}


@pytest.mark.parametrize("url", ["[]", "[1]", '["mqtt://one", "two"]'])
def test_a_list_of_addresses_that_cannot_be_used_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match=r"broker\.url"):
        load_settings(write(tmp_path, f"[broker]\nurl = {url}\n"))


def test_the_brokers_time_limit_and_certificate_are_used() -> None:
    broker = load_settings(None, {"broker": {"connect_timeout_s": 1.5, "ca_file": "/ca.crt"}}).broker
    assert (broker.connect_timeout_s, broker.ca_file) == (1.5, Path("/ca.crt"))


def test_a_password_may_stand_in_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    file = write(tmp_path, f'[broker]\npassword_file = "{tmp_path}/password"\n')
    assert load_settings(file).broker.password == "hunter2"
    monkeypatch.setenv("ROBOT_NODE_BROKER__PASSWORD", "hunter3")
    assert load_settings(file).broker.password == "hunter3"
    monkeypatch.delenv("ROBOT_NODE_BROKER__PASSWORD")
    (tmp_path / "password").unlink()
    with pytest.raises(SettingsError, match=r"broker\.password_file: .*/password cannot be read: No such file"):
        load_settings(file)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"url": "mqtt://pi", "cert_file": "/x"}, r"broker\.cert_file: a client certificate is shown over TLS only"),
        ({"url": "mqtts://pi", "key_file": "/x"}, r"broker\.key_file: is the key of a certificate: set broker\.cert"),
        ({"url": "mqtts://pi", "key_password": "hunter2"}, r"broker\.key_password: is the key of a certificate"),
    ],
)
def test_a_client_certificate_that_would_never_be_used_is_refused(keys: dict[str, str], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as caught:
        load_settings(None, {"broker": keys})
    assert "hunter2" not in str(caught.value)


def test_an_unknown_key_is_refused_with_its_file(tmp_path: Path) -> None:
    file = write(tmp_path, "[camera]\nheigth = 480\n")
    with pytest.raises(SettingsError, match=rf"settings file {re.escape(str(file))}: camera\.heigth: there is no such"):
        load_settings(file)


def test_a_wrong_value_is_refused_with_its_reason(tmp_path: Path) -> None:
    file = write(tmp_path, "[camera]\nframe_rate = 1000\n")
    with pytest.raises(SettingsError, match=r"camera\.frame_rate: Input should be less than or equal to 60"):
        load_settings(file)


def test_a_wrong_value_from_the_environment_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBOT_NODE_MCP__QOS", "2")
    with pytest.raises(SettingsError, match=r"environment variable ROBOT_NODE_MCP__QOS: mcp\.qos: "):
        load_settings()
    monkeypatch.setenv("ROBOT_NODE_MCP__QOS", "1")
    monkeypatch.setenv("ROBOT_NODE_WEBRTC__ADDRESSES", "[1]")
    with pytest.raises(SettingsError, match=r"variable ROBOT_NODE_WEBRTC__ADDRESSES: webrtc\.addresses\.0: "):
        load_settings()
    monkeypatch.setenv("ROBOT_NODE_WEBRTC__ADDRESSES", "192.0.2.1")
    with pytest.raises(SettingsError, match=r"ROBOT_NODE_WEBRTC__ADDRESSES: webrtc\.addresses: .* write it as JSON: "):
        load_settings()


@pytest.mark.parametrize("name", ["ROBOT_NODE_BROKRE__URL", "ROBOT_NODE_BROKER__PASWORD"])
def test_a_mistyped_variable_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(SettingsError, match=f"{name}"):
        load_settings()


def test_a_wrong_password_in_the_file_is_not_repeated(tmp_path: Path) -> None:
    file = write(tmp_path, '[broker]\npassword = ["hunter2"]\n')
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert "broker.password" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_none_of_ours_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"robot\.toml has more than 262144 bytes"):
        load_settings(write(tmp_path, "#" * 300_000))
    with pytest.raises(SettingsError, match=r"robot\.toml is not valid TOML: .*recursion"):
        load_settings(write(tmp_path, "x = " + "[" * 100_000))


def test_a_variable_that_is_nested_deeper_than_the_parser_goes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBOT_NODE_WEBRTC__ADDRESSES", "[" * 100_000)
    with pytest.raises(SettingsError, match=r"ROBOT_NODE_WEBRTC__ADDRESSES|webrtc\.addresses"):
        load_settings()


def test_a_missing_file_and_broken_toml_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml cannot be read: No such file"):
        load_settings(tmp_path / "nowhere.toml")
    with pytest.raises(SettingsError, match=r"robot\.toml is not valid TOML: .*line 1"):
        load_settings(write(tmp_path, "[camera\n"))


@pytest.mark.parametrize("server_id", ["a/b", "a+b", "a#b", "", "a\0b", "presence", "capability"])
def test_a_server_id_that_breaks_topics_is_refused(server_id: str) -> None:
    with pytest.raises(SettingsError, match=r"command line: robot\.server_id"):
        load_settings(None, {"robot": {"server_id": server_id}})


@pytest.mark.parametrize("server_name", ["kitchen", "/kitchen", "robots/+", "robots/#"])
def test_a_server_name_that_breaks_topics_is_refused(server_name: str) -> None:
    with pytest.raises(SettingsError, match=r"command line: robot\.server_name"):
        load_settings(None, {"robot": {"server_name": server_name}})


def test_tables_of_a_library_are_its_own_options(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, '[access.roles.kid]\nallowed_tools = ["say"]\n[mcp]\nmax_sessions = 3\n'))
    assert settings.mcp == ServerLimits(max_sessions=3)
    assert isinstance(settings.broker, Broker)
    assert settings.access.roles == {"kid": Permissions(allowed_tools=frozenset({"say"}))}


def test_reading_the_settings_loads_neither_the_sdk_nor_the_media_stack() -> None:
    heavy = "mcp", "mcp_types", "aiortc", "av", "numpy"
    code = f"import sys, robot_node.settings.loading; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_shipped_file_is_valid_and_shows_the_defaults() -> None:
    assert load_settings(SHIPPED).model_dump() == load_settings().model_dump()


def test_the_shipped_file_shows_every_setting() -> None:
    text = SHIPPED.read_text()
    shown = tomllib.loads(text)
    for section in keys():
        assert section in shown
        for key in keys(section):
            if (section, key) in {("broker", "password"), ("broker", "key_password")}:
                continue  # a secret has no place in this file: the comment names its variable
            assert re.search(rf"^(# )?{key} = ", text, re.MULTILINE), f"{section}.{key}"


def test_a_robot_that_would_call_itself_or_without_webrtc_is_refused(tmp_path: Path) -> None:
    for text, reason in (
        ("[webrtc]\nproxy = true\n[dialer]\nenabled = true\n", "would call itself"),
        ('[robot]\nserver_id = "x"\n[dialer]\nenabled = true\nbackend = "x"\n', "would call itself"),
        ("[webrtc]\nenabled = false\n[dialer]\nenabled = true\n", "webrtc.enabled is false"),
        ('[dialer]\nbackend = "a/b"\n', "dialer.backend: must not contain '/'"),
        ('[robot]\nserver_id = "a\\nb"\n', "robot.server_id: must not contain '/'"),
        ('[robot]\nserver_name = "a/\\ufeffb"\n', "robot.server_name: must have the form"),
    ):
        with pytest.raises(SettingsError, match=reason):
            load_settings(write(tmp_path, text))
    assert not load_settings(write(tmp_path, "[webrtc]\nproxy = true\n")).dialer.enabled


def test_the_robot_may_call_a_backend_beside_its_own_proxy(tmp_path: Path) -> None:
    file = write(tmp_path, '[webrtc]\nproxy = true\n[dialer]\nenabled = true\nbackend = "cloud"\n')
    assert load_settings(file).dialer.backend == "cloud"


def test_a_rule_on_objects_needs_an_engine_that_detects_them(tmp_path: Path) -> None:
    rule = '[[reactions.rules]]\nwhen = { detected = "cat" }\nthen = { emotion = "happy" }\n'
    with pytest.raises(SettingsError, match=r"reactions\.rules\.0\.when\.detected: the robot detects no objects"):
        load_settings(write(tmp_path, rule))
    assert load_settings(write(tmp_path, f'{rule}[detection]\nengine = "imx500"\n')).reactions.rules


def test_a_clip_begins_no_earlier_than_the_ring_buffer_reaches(tmp_path: Path) -> None:
    too_short = "[recording]\nenabled = true\nring_s = 3\nbefore_s = 4\n"
    with pytest.raises(SettingsError, match=r"recording\.before_s: the ring buffer has 3 s: set ring_s to at least 4"):
        load_settings(write(tmp_path, too_short))
    assert load_settings(write(tmp_path, too_short.replace("ring_s = 3", "ring_s = 4"))).recording.ring_s == 4
