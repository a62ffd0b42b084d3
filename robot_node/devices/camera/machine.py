"""The camera's state machine: keeps the situation, applies events to the table, and reports the state."""

from __future__ import annotations

import logging
from dataclasses import replace

from robot_node.core.state import CameraState, CameraView
from robot_node.devices.camera.report import CameraReport
from robot_node.devices.camera.sensor import CameraSensor
from robot_node.devices.camera.states import Action, CameraEvent, Situation, decide, refusal
from robot_node.devices.idle import IdleTimer
from robot_node.devices.privacy import Privacy

logger = logging.getLogger(__name__)


class CameraMachine:
    """Applies events to the table of :mod:`robot_node.devices.camera.states`. Used by the camera only.

    Args:
        report: Where the camera's state and fault are reported.
        privacy: Whether its switch is engaged.
        sensor: Whether it could be closed, and its stream's error.
        idle: Runs while the camera is on.

    Attributes:
        closing: The robot is shutting down.
        situation: As the last event left it.
    """

    def __init__(self, report: CameraReport, privacy: Privacy, sensor: CameraSensor, idle: IdleTimer) -> None:
        self.closing = False
        self.situation = Situation()
        self._report = report
        self._privacy = privacy
        self._sensor = sensor
        self._idle = idle
        self._failure = ""

    @property
    def state(self) -> CameraState:
        """The camera's state."""
        return self._report.view.state

    def request(self, event: CameraEvent) -> Action:
        """Apply an event and return its action; raises NotReadyError or DeviceError for a refused one."""
        action = self.apply(event)
        if (error := refusal(action)) is not None:
            raise error
        return action

    def apply(self, event: CameraEvent, error: Exception | None = None) -> Action:
        """Apply an event to the state and return its action; ``error`` is that of a fault."""
        now = self._report.view
        before = replace(
            self.situation,
            state=now.state,
            wanted=now.wanted,
            privacy=self._privacy.engaged,
            closing=self.closing,
            unclosed=self._sensor.unclosed,
        )
        after, action = decide(before, event)
        if not before.failing and (after.failing or event is CameraEvent.NOT_CLOSED):
            self._failure = str(error)
        self.situation = after
        if after.state is not before.state:
            self._enter(after.state)
        self._report.show(CameraView(after.state, after.wanted), self._error(after.state))
        return action

    def report_error(self) -> None:
        """Report an error of the stream, or its end."""
        self._report.show(self._report.view, self._error(self.state))

    def _enter(self, state: CameraState) -> None:
        match state:
            case CameraState.ON:
                self._idle.start()
            case CameraState.FAILED:
                logger.error("%s failed: %s", self._report.title, self._failure)
            case CameraState.STOPPING:
                self._idle.stop()
                if self._sensor.stream is not None:
                    self._sensor.stream.cut()

    def _error(self, state: CameraState) -> str:
        if state is CameraState.FAILED:
            return self._failure
        stream = None if state is CameraState.STOPPING else self._sensor.stream
        return "" if stream is None else stream.error
