"""What setup wants to know of a person, and the settings that follow from it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from robot_node.apps.setup.settings_text import Key, Value
from robot_node.errors import SettingsError
from robot_node.mqtt import Broker
from robot_node.mqtt.identifiers import is_client_id, is_server_name
from robot_node.settings.devices import DisplaySettings
from robot_node.settings.root import Settings

DISPLAY_DRIVERS = ("ssd1306", "sh1106", "none")
DISPLAY_INTERFACES = ("i2c", "spi")
_ID_PREFIX = "robot-node-"
_NAME_LENGTH = 100
"""An id of up to 128 characters begins with the prefix."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers, in the order of the questions.

    Attributes:
        server_id: The robot's MQTT client id.
        server_name: What agents see; the last level is what a person calls the robot.
        url: The broker's address, without user and password.
        username: Ours at the broker, if it wants one.
        password: That user's.
        driver: The display's controller, or ``"none"``.
        interface: How the display is wired.
        camera: The camera's number.
        upside_down: Whether the camera is mounted so.
    """

    server_id: str
    server_name: str
    url: str
    username: str | None
    password: str | None = field(repr=False)
    driver: str
    interface: str
    camera: int
    upside_down: bool

    @classmethod
    def of(cls, settings: Settings, *, password: str | None = None, kept_password: str | None = None) -> Self:
        """The answers that settings amount to. A password that has a file of the person's own stays there.

        Args:
            settings: What is known: file, environment and command line.
            password: A new one.
            kept_password: The one that an earlier setup has stored; used when the settings bring none.
        """
        broker = settings.broker
        robot = settings.robot
        name = robot.server_name.rpartition("/")[2]
        stored = None if settings.broker.password_file else broker.password or kept_password
        chosen = "server_id" in robot.model_fields_set
        return cls(
            server_id=robot.server_id if chosen else _id(name, broker.username),
            server_name=robot.server_name,
            url=address(broker),
            username=broker.username,
            password=password or Broker.from_url(settings.broker.url).password or stored,
            driver=settings.display.driver,
            interface=settings.display.interface,
            camera=settings.camera.number,
            upside_down=settings.camera.rotate == 180,
        )

    @property
    def name(self) -> str:
        """What a person calls the robot."""
        return self.server_name.rpartition("/")[2]

    @property
    def has_i2c_display(self) -> bool:
        """Whether the robot needs I2C."""
        return self.driver != "none" and self.interface == "i2c"

    @property
    def has_spi_display(self) -> bool:
        """Whether the robot needs SPI."""
        return self.driver != "none" and self.interface == "spi"

    def named(self, name: str) -> Self:
        """The same robot under another name.

        Raises:
            SettingsError: the name cannot be part of an MQTT topic.
        """
        name = name.strip()
        group = self.server_name.rpartition("/")[0]
        if not is_client_id(name) or not is_server_name(f"{group}/{name}") or len(name) > _NAME_LENGTH:
            raise SettingsError(
                f"{name!r} cannot be a robot's name.",
                remedy=f"Use one to {_NAME_LENGTH} characters, no '/', '+', '#' and no controls.",
            )
        return replace(self, server_name=f"{group}/{name}", server_id=_id(name, self.username))

    def at(self, url: str) -> Self:
        """The same robot at another broker; user and password that stand in the address are taken from it.

        Raises:
            SettingsError: the address cannot be read.
        """
        broker = Broker.from_url(url, username=self.username, password=self.password)
        return replace(self, url=address(broker)).known_as(broker.username, broker.password)

    def known_as(self, username: str | None, password: str | None) -> Self:
        """The same robot as another user of the broker: without a user there is no password."""
        server_id = self.server_id if username == self.username else _id(self.name, username)
        return replace(self, username=username, password=password if username else None, server_id=server_id)

    def values(self) -> dict[Key, Value | None]:
        """The settings to write; None for what must not stand in the file. The password never does."""
        elsewhere: dict[Key, Value | None] = {("broker", "password_file"): None} if self.password else {}
        return {
            **elsewhere,
            ("robot", "server_id"): self.server_id,
            ("robot", "server_name"): self.server_name,
            ("broker", "url"): self.url,
            ("broker", "username"): self.username,
            ("broker", "password"): None,
            ("camera", "number"): self.camera,
            ("camera", "rotate"): 180 if self.upside_down else 0,
            ("display", "driver"): self.driver,
            ("display", "interface"): self.interface,
        }


def address(broker: Broker) -> str:
    """The broker's address without credentials, with the path of a WebSocket."""
    return f"{broker}{broker.path}" if broker.transport == "websockets" else str(broker)


def display(driver: str, interface: str) -> DisplaySettings:
    """Check the words for a display.

    Raises:
        ValueError: one of them is none that we know.
    """
    return DisplaySettings.model_validate({"driver": driver, "interface": interface})


def _id(name: str, username: str | None) -> str:
    """The broker's rules that come with robot-node want a robot's user name to be its id (docs/access.md)."""
    return username if username and is_client_id(username) else f"{_ID_PREFIX}{name}"
