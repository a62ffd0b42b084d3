"""Speech recognition: what the mixer's tap hears becomes text for agents, peers and the face."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from robot_node.core.backoff import Backoff
from robot_node.core.events import EventLog
from robot_node.core.mixer import Mixer
from robot_node.core.state import Device, RobotState
from robot_node.devices.face import Face
from robot_node.errors import DeviceError
from robot_node.speech.recognition_engine import RecognitionOptions
from robot_node.speech.recognition_process import (
    EngineMessage,
    Listening,
    Ready,
    RecognizerProcess,
    Utterance,
    running,
)
from robot_node.webrtc.messages import AsrResponse, BackendMessage

logger = logging.getLogger(__name__)


class SpeechRecognition:
    """Recognises speech: a :class:`robot_node.core.mixer.RecognitionTap`, which needs :meth:`run` to be running.

    Used from the event loop only. Which sound is recognised, and which is not because the robot itself or its
    loudspeaker makes it, is the mixer's decision.

    Args:
        engine: Name of the recognition engine.
        options: What it is to recognise.
        mixer: Its tap ``recognition`` is connected while the engine runs.
        face: Shows that the robot listens, and what it understood.
        state: Gets the fault of hearing.
        send: Sends messages to peers.
        events: Gets what was understood: kind ``heard``, the text nothing but that, and by which viewer.
        retry_initial_s: Seconds until an engine that failed is started again; doubles each time.
        retry_maximum_s: The longest delay.
    """

    def __init__(
        self,
        engine: str,
        options: RecognitionOptions,
        mixer: Mixer,
        face: Face,
        state: RobotState,
        *,
        send: Callable[[BackendMessage], None] = lambda _: None,
        events: EventLog | None = None,
        retry_initial_s: float = 5.0,
        retry_maximum_s: float = 300.0,
    ) -> None:
        self._engine = engine
        self._options = options
        self._mixer = mixer
        self._face = face
        self._state = state
        self._send = send
        self._events = events or EventLog()
        self._backoff = Backoff(retry_initial_s, retry_maximum_s)
        self._recognizer: RecognizerProcess | None = None
        self._behind = False

    @property
    def ready(self) -> bool:
        """The engine is loaded: what the tap hears now is recognised."""
        return self._recognizer is not None

    @property
    def _muted(self) -> bool:
        """The robot itself speaks: what is understood meanwhile is its own voice."""
        return self._mixer.speaking

    async def run(self) -> None:
        """Recognise until cancelled; an engine that fails is started again."""
        while True:
            try:
                await self._recognise()
            except DeviceError as error:
                if self._state.snapshot.fault(Device.HEARING) != str(error):
                    logger.error("Speech recognition does not work: %s", error)  # the text says it all
                self._state.set_fault(Device.HEARING, str(error))
            await asyncio.sleep(self._backoff.next_delay())

    def hear(self, samples: bytes, by: str) -> None:
        """Have the sound recognised that comes next."""
        if self._recognizer is None:
            return
        behind = not self._recognizer.hear(samples, by)
        if behind and not self._behind:
            logger.warning("Speech recognition is slower than speech: parts are dropped. Set hearing.phrases.")
        self._behind = behind

    def forget(self) -> None:
        """Drop an unfinished utterance."""
        if self._recognizer is not None:
            self._recognizer.forget()
            self._face.listen(listening=False)

    async def _recognise(self) -> None:
        try:
            async with running(self._engine, self._options) as recognizer:
                async for message in recognizer.messages():
                    self._handle(message, recognizer)
        finally:
            self._recognizer = None
            self._mixer.set_recognition(None)
            self._face.listen(listening=False)

    def _handle(self, message: EngineMessage, recognizer: RecognizerProcess) -> None:
        match message:
            case Ready():
                self._recognizer = recognizer
                self._state.set_fault(Device.HEARING, "")
                self._mixer.set_recognition(self)
            case Listening(begun):
                self._face.listen(listening=begun and not self._muted)
            case Utterance(text, by):
                self._backoff.reset()
                if not self._muted:
                    self._face.show_text(f"\u201c{text}\u201d")
                    self._events.add("heard", text, by=by)
                    self._send(AsrResponse(text, by))
