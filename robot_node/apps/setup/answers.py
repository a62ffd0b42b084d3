"""Answers to the questions of setup, and the settings that follow from them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Self

from robot_node.apps.setup.settings_text import Key, Value
from robot_node.errors import SettingsError
from robot_node.mqtt import Broker
from robot_node.mqtt.identifiers import is_client_id, is_server_name
from robot_node.settings.devices import CameraSettings, DisplaySettings
from robot_node.settings.root import Settings

DISPLAY_DRIVERS = ("ssd1306", "sh1106", "none")
DISPLAY_INTERFACES = ("i2c", "spi")
_USB = "usb"
_ID_PREFIX = "robot-node-"
_NAME_LENGTH = 100
"""Longest name: the client id, of at most 128 characters, is the prefix and the name."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers, in the order of the questions.

    Attributes:
        server_id: The robot's MQTT client id.
        server_name: MCP server name; its last level is the robot's name.
        url: URL of the broker, without credentials.
        username: The robot's user name at the broker; None without one.
        password: Password of that user.
        driver: The display's controller, or ``"none"``.
        interface: The display's bus: ``"i2c"`` or ``"spi"``.
        camera: The camera, as :func:`camera_values` takes it.
        upside_down: Whether the camera is mounted upside down.
        sideways: Degrees by which a camera on its side is rotated: 90 or 270, which only the settings file says; or 0.
    """

    server_id: str
    server_name: str
    url: str
    username: str | None
    password: str | None = field(repr=False)
    driver: str
    interface: str
    camera: str
    upside_down: bool
    sideways: int = 0

    @classmethod
    def from_settings(
        cls, settings: Settings, *, password: str | None = None, stored_password: str | None = None
    ) -> Self:
        """Derive the answers from settings. A password in a file of the user's own (password_file) stays there.

        Args:
            settings: From file, environment and command line.
            password: A new password.
            stored_password: The password that an earlier setup has stored; used when the settings contain none.
        """
        broker = settings.broker
        robot = settings.robot
        name = robot.server_name.rpartition("/")[2]
        stored = None if settings.broker.password_file else broker.password or stored_password
        has_id = "server_id" in robot.model_fields_set
        return cls(
            server_id=robot.server_id if has_id else _id(name, broker.username),
            server_name=robot.server_name,
            url=address(broker),
            username=broker.username,
            password=password or Broker.from_url(settings.broker.url).password or stored,
            driver=settings.display.driver,
            interface=settings.display.interface,
            camera=camera_text(settings.camera),
            upside_down=settings.camera.rotate == 180,
            sideways=settings.camera.rotate % 180 and settings.camera.rotate,
        )

    @property
    def name(self) -> str:
        """The robot's name: the last level of the server name."""
        return self.server_name.rpartition("/")[2]

    @property
    def has_i2c_display(self) -> bool:
        """Whether the display is connected to I2C."""
        return self.driver != "none" and self.interface == "i2c"

    @property
    def has_spi_display(self) -> bool:
        """Whether the display is connected to SPI."""
        return self.driver != "none" and self.interface == "spi"

    def with_name(self, name: str) -> Self:
        """Return a copy with another name.

        Raises:
            SettingsError: The name is not valid in an MQTT topic.
        """
        name = name.strip()
        group = self.server_name.rpartition("/")[0]
        if not is_client_id(name) or not is_server_name(f"{group}/{name}") or len(name) > _NAME_LENGTH:
            raise SettingsError(
                f"{name!r} is not a valid robot name.",
                remedy=f"Use 1 to {_NAME_LENGTH} characters, without '/', '+', '#' and control characters.",
            )
        return replace(self, server_name=f"{group}/{name}", server_id=_id(name, self.username))

    def with_broker(self, url: str) -> Self:
        """Return a copy with another broker, and with the credentials that the URL contains.

        Raises:
            SettingsError: The URL is invalid.
        """
        broker = Broker.from_url(url, username=self.username, password=self.password)
        return replace(self, url=address(broker)).with_credentials(broker.username, broker.password)

    def with_credentials(self, username: str | None, password: str | None) -> Self:
        """Return a copy with other credentials; without a user name the password is dropped."""
        server_id = self.server_id if username == self.username else _id(self.name, username)
        return replace(self, username=username, password=password if username else None, server_id=server_id)

    def with_camera(self, camera: str) -> Self:
        """Return a copy with another camera.

        Raises:
            SettingsError: It is neither a number nor a device.
        """
        camera_values(camera)
        return replace(self, camera=camera)

    def values(self) -> dict[Key, Value | None]:
        """Return the settings to write; None removes a setting. The password is never in the file."""
        stored: dict[Key, Value | None] = {("broker", "password_file"): None} if self.password else {}
        return {
            **stored,
            ("robot", "server_id"): self.server_id,
            ("robot", "server_name"): self.server_name,
            ("broker", "url"): self.url,
            ("broker", "username"): self.username,
            ("broker", "password"): None,
            **{("camera", key): value for key, value in camera_values(self.camera).items()},
            ("camera", "rotate"): 180 if self.upside_down else self.sideways,
            ("display", "driver"): self.driver,
            ("display", "interface"): self.interface,
        }


def address(broker: Broker) -> str:
    """Return the broker's URL without credentials, with the path of a WebSocket."""
    return f"{broker}{broker.path}" if broker.transport == "websockets" else str(broker)


def camera_values(camera: str) -> dict[str, str | int]:
    """Return the settings of a camera, as an answer names it.

    Args:
        camera: A number of picamera2, ``"usb"`` for the first on USB, ``"usb1"`` for the next one, or the file of a
            video device.

    Raises:
        SettingsError: It is none of these.
    """
    if camera.isdecimal() and len(camera) == 1:
        return {"driver": "picamera2", "number": int(camera)}
    if re.fullmatch(rf"{_USB}\d?", camera):
        return {"driver": "v4l2", "device": "auto", "number": int(camera.removeprefix(_USB) or 0)}
    if camera.startswith("/dev/"):
        return {"driver": "v4l2", "device": camera}
    raise SettingsError(
        f"{camera!r} is no camera.",
        remedy="Use its number in 'rpicam-hello --list-cameras', \"usb\", or a device, e.g. /dev/video0.",
    )


def camera_text(settings: CameraSettings) -> str:
    """Return a camera as an answer names it."""
    if settings.driver == "picamera2":
        return str(settings.number)
    return f"{_USB}{settings.number or ''}" if settings.device == "auto" else settings.device


def display(driver: str, interface: str) -> DisplaySettings:
    """Return validated settings of a display.

    Raises:
        ValueError: Driver or interface is unknown.
    """
    return DisplaySettings.model_validate({"driver": driver, "interface": interface})


def _id(name: str, username: str | None) -> str:
    """Return the client id: the user name if possible, as the shipped access rules require (docs/access.md)."""
    return username if username and is_client_id(username) else f"{_ID_PREFIX}{name}"
