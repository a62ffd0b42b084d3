"""All that the author of another package imports: a device's interface, what it is given, and helpers.

See docs/add-a-device.md. Nothing is defined here, and robot-node itself imports none of it from here.
"""

from robot_node.core.events import EventLog
from robot_node.core.state import RobotSnapshot, RobotState
from robot_node.devices.platform import Platform
from robot_node.devices.plugin import DeviceContext, DeviceFactory, DevicePlugin, Stoppable
from robot_node.devices.worker import DeviceWorker
from robot_node.errors import DeviceError, NotReadyError, RobotNodeError, SettingsError
from robot_node.settings.vision import DetectionSettings
from robot_node.tools.common import ACTS, CONNECTS, READS, SETS, readable_errors
from robot_node.vision.detector import Detection, Detector, DetectorFactory, View

__all__ = [
    "ACTS",
    "CONNECTS",
    "READS",
    "SETS",
    "Detection",
    "DetectionSettings",
    "Detector",
    "DetectorFactory",
    "DeviceContext",
    "DeviceError",
    "DeviceFactory",
    "DevicePlugin",
    "DeviceWorker",
    "EventLog",
    "NotReadyError",
    "Platform",
    "RobotNodeError",
    "RobotSnapshot",
    "RobotState",
    "SettingsError",
    "Stoppable",
    "View",
    "readable_errors",
]
