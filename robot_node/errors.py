"""Errors of robot-node, for users and models: each has a message and a remedy."""

from __future__ import annotations

from collections.abc import Sequence


class RobotNodeError(Exception):
    """Base class of all errors that robot-node raises.

    Args:
        message: What failed and why, in one sentence, without the remedy.
        remedy: What to do about it, as an instruction; empty if unknown.
    """

    def __init__(self, message: str, *, remedy: str = "", details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = tuple(details)

    def __str__(self) -> str:
        if self.details:
            return "\n".join(self.lines())
        return f"{self.message} {self.remedy}".strip()

    def lines(self) -> tuple[str, ...]:
        """The error as lines: message, details and remedy when it has details; else a single one."""
        return (self.message, *self.details, self.remedy) if self.details else (str(self),)


class SettingsError(RobotNodeError, ValueError):
    """A setting, identifier or address is invalid."""


class ArgumentError(RobotNodeError, ValueError):
    """An argument of a call is not supported by the device."""


class BrokerError(RobotNodeError, ConnectionError):
    """The MQTT broker is unreachable, refused the client, or the connection was lost."""


class SetupError(RobotNodeError, RuntimeError):
    """``robot-node setup`` cannot continue: a permission or a command is missing, or an action failed."""


class DeviceError(RobotNodeError, OSError):
    """A device or its library is missing, busy or failing."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        RobotNodeError.__init__(self, message, remedy=remedy)


class NotReadyError(RobotNodeError, RuntimeError):
    """A valid call is not possible in the current state; the remedy says what to call first."""


class SignalingError(RobotNodeError, ValueError):
    """A WebRTC signalling message or session description is invalid."""


class RemoteError(RobotNodeError, RuntimeError):
    """The peer of a session returned an error, went offline, or did not answer in time."""


class StateFileError(RobotNodeError, OSError):
    """The saved state cannot be read or written."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        RobotNodeError.__init__(self, message, remedy=remedy)


class ServiceError(RobotNodeError, RuntimeError):
    """A service of the robot keeps crashing: only a restart of the process may help."""
