"""The errors of robot-node: one root, few leaves, each with a remedy that a person or ``doctor`` can act on."""

from __future__ import annotations


class RobotNodeError(Exception):
    """Root of every error that robot-node raises on purpose.

    Args:
        message: Names the thing and the reason, in one sentence without a trailing remedy.
        remedy: What to do about it, as an instruction; empty when nothing can be done.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        separator = "\n" if "\n" in self.message else " "
        return f"{self.message}{separator}{self.remedy}".strip()


class SettingsError(RobotNodeError, ValueError):
    """A setting, identifier or address that cannot be used."""


class ArgumentError(RobotNodeError, ValueError):
    """A call asks for something that this device cannot do."""


class BrokerError(RobotNodeError, ConnectionError):
    """The MQTT broker cannot be reached, refused us, or the connection to it was lost."""


class SetupError(RobotNodeError, RuntimeError):
    """``robot-node setup`` cannot go on: it lacks a right, a command, or one of its steps failed."""


class DeviceError(RobotNodeError, OSError):
    """A piece of hardware, or the library that drives it, is missing, busy or failing."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        RobotNodeError.__init__(self, message, remedy=remedy)


class NotReadyError(RobotNodeError, RuntimeError):
    """The call is fine, but not in the present state: the remedy says what to call first."""


class SignalingError(RobotNodeError, ValueError):
    """A WebRTC signalling message or session description that cannot be used."""


class RemoteError(RobotNodeError, RuntimeError):
    """The other side of a session answered with an error, went offline, or did not answer in time."""


class StateFileError(RobotNodeError, OSError):
    """What the robot is to remember over a restart cannot be read or written."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        RobotNodeError.__init__(self, message, remedy=remedy)


class ServiceError(RobotNodeError, RuntimeError):
    """A part of the robot crashes again and again: only a new process may help."""
