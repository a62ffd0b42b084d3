"""The robot's ears: which sound is recognised, when none is, and who is told what was heard."""

from __future__ import annotations

import asyncio
import enum
import functools
import logging
import time
from collections.abc import Callable

from robot_node.core.events import EventLog
from robot_node.core.media import SAMPLE_RATE, AudioSink
from robot_node.core.state import Device, RobotState
from robot_node.devices.audio import Microphone, level_of
from robot_node.devices.face import Face
from robot_node.errors import DeviceError
from robot_node.speech.recognition_engine import Wanted
from robot_node.speech.recognition_process import Heard, Listening, Ready, Recognized, RecognizerProcess, running
from robot_node.webrtc.messages import AsrResponse, BackendMessage

logger = logging.getLogger(__name__)

_LOUD = 0.15
"""Level of what counts as sound; of quieter one nothing would be understood (0.15: a peak of 370 of 32767)."""

_VIEWER_PAUSE_S = 1.0
"""A viewer who is quiet for longer has ended; until then the microphone is not heard."""

_ECHO_S = 0.4
"""For how long a room and a sound card hold what the loudspeaker was given."""

_SILENCE = bytes(SAMPLE_RATE * 2)


class Source(enum.StrEnum):
    """Whom the robot hears."""

    MICROPHONE = "microphone"
    VIEWER = "viewer"
    BOTH = "both"


class Ears:
    """Has speech recognised. Used from the event loop only; :meth:`run` must be running.

    Nothing is recognised while the robot itself speaks, and nothing of the microphone while the loudspeaker plays
    somebody: the robot would answer itself.

    Args:
        engine: Name of the recognition engine.
        wanted: What it is to recognise.
        face: Shows that the robot listens, and what it understood.
        state: Whether the robot speaks. Told why it cannot hear.
        source: Whom it hears.
        microphone: None when it is not heard.
        tell: Given the messages for peers.
        events: Told what was heard: kind ``heard``, as text nothing but that, and by which viewer.
        retry_initial_s: How long to wait before an engine that failed is started again; doubles each time.
        retry_maximum_s: The longest wait.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        engine: str,
        wanted: Wanted,
        face: Face,
        state: RobotState,
        *,
        source: Source = Source.MICROPHONE,
        microphone: Microphone | None = None,
        tell: Callable[[BackendMessage], None] = lambda _: None,
        events: EventLog | None = None,
        retry_initial_s: float = 5.0,
        retry_maximum_s: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._wanted = wanted
        self._face = face
        self._state = state
        self._microphone = None if source is Source.VIEWER else microphone
        self._hears_viewers = source is not Source.MICROPHONE
        self._tell = tell
        self._events = events or EventLog()
        self._retry_initial_s = retry_initial_s
        self._retry_maximum_s = retry_maximum_s
        self._retry_s = retry_initial_s
        self._clock = clock
        self._recognizer: RecognizerProcess | None = None
        self._echo_until = self._viewer_until = 0.0
        self._deaf = False
        self._was_heard = False
        self._behind = False

    @property
    def viewer(self) -> Callable[[str], AudioSink] | None:
        """Where a viewer who may speak is to be heard besides the loudspeaker, given its client id.

        None when viewers are not recognised.
        """
        return self._tap if self._hears_viewers else None

    def _tap(self, client_id: str) -> AudioSink:
        return _Tap(functools.partial(self._from_viewer, client_id), functools.partial(self._end_of_viewer, client_id))

    def beside(self, loudspeaker: AudioSink | None) -> AudioSink | None:
        """A loudspeaker for peers that makes the microphone unheard while it plays something loud."""
        return None if loudspeaker is None else _Noticed(loudspeaker, self._played)

    async def run(self) -> None:
        """Recognise until cancelled; an engine that fails is started again."""
        while True:
            try:
                await self._recognize()
            except DeviceError as error:
                if self._state.snapshot.fault(Device.HEARING) != str(error):
                    logger.error("The robot cannot understand speech: %s", error)
                self._state.set_fault(Device.HEARING, str(error))
            await asyncio.sleep(self._retry_s)
            self._retry_s = min(2 * self._retry_s, self._retry_maximum_s)

    async def _recognize(self) -> None:
        stop = self._state.listen(lambda _: self._check_own_speech())
        try:
            async with running(self._engine, self._wanted) as recognizer:
                async for message in recognizer.recognized():
                    self._take(message, recognizer)
        finally:
            stop()
            self._recognizer = None
            if self._microphone is not None:
                self._microphone.set_heard(None)
            self._face.listen(listening=False)

    def _take(self, message: Recognized, recognizer: RecognizerProcess) -> None:
        match message:
            case Ready():
                self._recognizer = recognizer
                self._state.set_fault(Device.HEARING, "")
                self._check_own_speech()
                if self._microphone is not None:
                    self._microphone.set_heard(self._from_microphone)
            case Listening(begun):
                self._face.listen(listening=begun and not self._deaf)
            case Heard(text, by):
                self._retry_s = self._retry_initial_s
                if not self._deaf:  # what was understood in the moment in which the robot began to speak is its own
                    self._has_heard(text, by)

    def _has_heard(self, text: str, by: str) -> None:
        self._face.show_text(f"\u201c{text}\u201d")
        self._events.add("heard", text, by=by)
        self._tell(AsrResponse(text, by))

    def _check_own_speech(self) -> None:
        speaking = self._state.snapshot.speaking
        if speaking and not self._deaf and self._recognizer is not None:
            self._recognizer.forget()
            self._face.listen(listening=False)
        elif self._deaf and not speaking:
            self._echo_until = self._clock() + _ECHO_S
        self._deaf = speaking

    def _from_microphone(self, samples: bytes) -> None:
        now = self._clock()
        is_heard = now >= max(self._echo_until, self._viewer_until)
        if is_heard:
            self._hear(samples)
        elif self._was_heard and now >= self._viewer_until and self._recognizer is not None:
            self._recognizer.forget()  # what comes later does not continue it
        self._was_heard = is_heard

    def _from_viewer(self, client_id: str, samples: bytes) -> None:
        now = self._clock()
        if level_of(samples) > _LOUD:
            if now >= self._viewer_until and self._recognizer is not None:
                self._recognizer.forget()  # the microphone's
            self._viewer_until = now + _VIEWER_PAUSE_S
        if now < self._viewer_until:
            self._hear(samples, client_id)

    def _end_of_viewer(self, client_id: str) -> None:
        if self._clock() < self._viewer_until:
            self._hear(_SILENCE, client_id)  # nothing follows by which the end of what was said could be noticed
        self._viewer_until = 0.0

    def _played(self, samples: bytes) -> None:
        if level_of(samples) > _LOUD:
            self._echo_until = self._clock() + _ECHO_S

    def _hear(self, samples: bytes, by: str = "") -> None:
        if self._recognizer is None or self._deaf:
            return
        behind = not self._recognizer.hear(samples, by)
        if behind and not self._behind:
            logger.warning("Speech recognition is slower than speech: parts are not heard. Set hearing.phrases.")
        self._behind = behind


class _Tap:
    """An :class:`robot_node.core.media.AudioSink` that gives on what it should play."""

    def __init__(self, hear: Callable[[bytes], None], end: Callable[[], None]) -> None:
        self._hear = hear
        self._end = end

    def play(self, samples: bytes) -> None:
        self._hear(samples)

    def flush(self) -> None:
        self._end()


class _Noticed:
    """An :class:`robot_node.core.media.AudioSink` that plays, and tells what."""

    def __init__(self, sink: AudioSink, notice: Callable[[bytes], None]) -> None:
        self._sink = sink
        self._notice = notice

    def play(self, samples: bytes) -> None:
        self._notice(samples)
        self._sink.play(samples)

    def flush(self) -> None:
        self._sink.flush()
