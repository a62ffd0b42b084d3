"""The robot's voice: texts one after the other, each heard, seen on the face and told to peers, until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from robot_node.core.events import EventLog
from robot_node.core.state import Device, RobotState, acting_for
from robot_node.devices.audio import Loudspeaker
from robot_node.devices.face import Face
from robot_node.errors import DeviceError, NotReadyError, RobotNodeError, SettingsError
from robot_node.speech.mixer import OutgoingSound
from robot_node.speech.synthesis_engine import SpeechEngine
from robot_node.speech.text_chunks import pieces_of
from robot_node.speech.waveform import FRAME_S, SpeechEncoder, SpeechFrame
from robot_node.webrtc.messages import BackendMessage, TtsBegin, TtsComplete, TtsTerminate, TtsText

logger = logging.getLogger(__name__)

QUEUE = 8
"""Texts that may wait behind the one that is spoken."""

_LEAD_S = 0.1
"""How far ahead of what is heard: as much may be heard after an interruption, and a busy loop may be as late."""

_QUEUED_S = 0.12
_PATIENCE_S = 3.0
_SHOWN_FOR_LONGER_S = 0.5


@dataclass(frozen=True, slots=True)
class Utterance:
    """A text that waits to be said.

    Attributes:
        task_id: What it is called in messages.
        pieces: The text, in pieces.
        language: A language tag.
        emotion: What the face turns to; empty leaves it as it is.
        by: Client id of the agent that wants it said.
    """

    task_id: str
    pieces: tuple[str, ...]
    language: str
    emotion: str
    by: str


class Speaker:
    """Says texts. Used from the event loop only; :meth:`run` must be running.

    Args:
        engine: Makes speech of text.
        face: Moves its mouth, and shows what is said.
        state: Told whether the robot speaks, and why it cannot.
        language: A language tag, for texts that don't come with one.
        loudspeaker: None without one: viewers hear the robot, and its mouth moves.
        outgoing: What viewers hear; None without viewers.
        tell: Given the messages for peers.
        events: Told what is said.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self,
        engine: SpeechEngine,
        face: Face,
        state: RobotState,
        *,
        language: str = "en",
        loudspeaker: Loudspeaker | None = None,
        outgoing: OutgoingSound | None = None,
        tell: Callable[[BackendMessage], None] = lambda _: None,
        events: EventLog | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._face = face
        self._state = state
        self._language = language
        self._loudspeaker = loudspeaker
        self._outgoing = outgoing
        self._tell = tell
        self._events = events or EventLog()
        self._clock = clock
        self._waiting: deque[Utterance] = deque()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._said: Utterance | None = None
        self._due = 0.0  # when the next frame is to be heard

    @property
    def speaking(self) -> bool:
        """Something is being said."""
        return self._said is not None

    @property
    def ahead(self) -> int:
        """How many texts are said before the last of those that wait."""
        return max(0, len(self._waiting) - 1 + self._busy)

    @property
    def _busy(self) -> bool:
        return self._task is not None and not self._task.done() and not self._task.cancelling()

    async def check(self) -> None:
        """Find out whether the engine works, so that one that is missing is reported at start."""
        with contextlib.suppress(RobotNodeError):
            await self._checked(self._language)

    async def say(self, text: str, *, emotion: str = "", language: str = "", interrupt: bool = False) -> Utterance:
        """Say a text after those that wait; returns at once.

        Args:
            text: Up to :data:`robot_node.speech.text_chunks.LONGEST_TEXT` characters.
            emotion: What the face turns to when it begins; empty leaves it as it is.
            language: A language tag; empty for the robot's own.
            interrupt: Say it now: what is being said is cut short, and what waits is forgotten.

        Raises:
            SettingsError: there is nothing to be said in the text; the engine does not speak the language; the face
                does not know the emotion.
            DeviceError: the engine is missing or does not work.
            NotReadyError: too many texts wait.
        """
        language = language or self._language
        utterance = Utterance(
            task_id=uuid.uuid4().hex,
            pieces=pieces_of(text),
            language=language,
            emotion=self._face.known_as(emotion) if emotion else "",
            by=acting_for(),
        )
        if not utterance.pieces:
            raise SettingsError("There is nothing to be said in this text: no letter and no digit.")
        await self._checked(language)
        if interrupt:
            self.stop()
        if len(self._waiting) >= QUEUE:
            raise NotReadyError(
                f"{QUEUE} texts wait to be said.",
                remedy="Wait until speaking is false in get_status, call stop_speaking, or say it with interrupt=true.",
            )
        self._waiting.append(utterance)
        self._wanted.set()
        return utterance

    def stop(self) -> int:
        """Fall silent at once, and forget what waits.

        Returns:
            How many texts are not, or not wholly, said.
        """
        stopped = len(self._waiting)
        self._waiting.clear()
        if self._task is not None and self._busy:
            stopped += 1
            self._task.cancel()
            self._cut_short()
        return stopped

    async def run(self) -> None:
        """Say what is wanted, until cancelled."""
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                while self._waiting:
                    task = self._task = asyncio.create_task(self._say(self._waiting.popleft()), name="speech")
                    await asyncio.wait({task})
        finally:
            self.stop()
            if self._task is not None:
                await asyncio.wait({self._task})

    async def _checked(self, language: str) -> None:
        try:
            await self._engine.check(language)
        except DeviceError as error:
            self._report(error)
            raise
        self._state.set_fault(Device.VOICE, "")

    def _report(self, error: RobotNodeError) -> None:
        if self._state.snapshot.fault(Device.VOICE) != str(error):
            logger.error("The robot cannot speak: %s", error)
        self._state.set_fault(Device.VOICE, str(error))

    async def _say(self, utterance: Utterance) -> None:
        try:
            async with contextlib.aclosing(_Preparation(self._engine, utterance)) as preparation:
                for piece in utterance.pieces:
                    frames = await preparation.next_piece()
                    if self._said is None:
                        self._begin(utterance)
                    self._face.show_text(piece, len(frames) * FRAME_S + _SHOWN_FOR_LONGER_S)
                    self._tell(TtsText(utterance.task_id, piece))
                    await self._play(frames)
            await asyncio.sleep(max(0.0, self._due - self._clock()))
            await self._until_queued_is_less_than(FRAME_S)
            self._end(TtsComplete(utterance.task_id))
        except RobotNodeError as error:
            self._report(error)
        except Exception:  # whatever an engine stumbles over, the next text may be better
            logger.exception("Something could not be said")
        finally:
            self._cut_short()

    def _begin(self, utterance: Utterance) -> None:
        self._said = utterance
        self._due = 0.0
        if utterance.emotion:
            self._face.show_emotion(utterance.emotion)
        self._state.set_fault(Device.VOICE, "", speaking=True)
        self._events.add("speech", f"The robot says: {''.join(utterance.pieces)}", by=utterance.by)
        self._tell(TtsBegin(utterance.task_id))

    def _cut_short(self) -> None:
        """Silence what is said, if anything."""
        if self._said is None:
            return
        if self._loudspeaker is not None:
            self._loudspeaker.flush()
        self._face.hush()
        self._face.show_text("")
        self._events.add("speech", "The robot did not say all of it.", by=acting_for())
        self._end(TtsTerminate(self._said.task_id))

    def _end(self, message: BackendMessage) -> None:
        self._said = None
        if self._outgoing is not None:
            self._outgoing.end_speech()
        self._state.update(speaking=False)
        self._tell(message)

    async def _play(self, frames: Sequence[SpeechFrame]) -> None:
        """Hand out frames a little before they are due, so that little is heard of them when we are stopped."""
        for frame in frames:
            await self._until_queued_is_less_than(_QUEUED_S)
            await asyncio.sleep(max(0.0, self._due - _LEAD_S - self._clock()))
            now = self._clock()
            if self._due < now:  # at the beginning, or we were held up: what comes later is heard later
                self._due = now
                if self._outgoing is not None:
                    self._outgoing.begin_speech()
            if self._loudspeaker is not None:
                self._loudspeaker.play(frame.samples)
            if self._outgoing is not None:
                self._outgoing.speak(frame.packet)
            self._face.speak([(self._due - now, frame.level)])
            self._due += FRAME_S

    async def _until_queued_is_less_than(self, seconds: float) -> None:
        """Wait for a loudspeaker that is being opened, or busy with something else; not for one that is broken."""
        loudspeaker, began = self._loudspeaker, self._clock()
        while (  # noqa: ASYNC110  # the loudspeaker's thread sets no event
            loudspeaker is not None
            and loudspeaker.queued_s >= seconds
            and not self._state.snapshot.fault(Device.LOUDSPEAKER)
            and self._clock() - began < _PATIENCE_S
        ):
            await asyncio.sleep(FRAME_S / 2)


class _Preparation:
    """Speech of the pieces of a text, in order; the next one is made while the one before is heard."""

    def __init__(self, engine: SpeechEngine, utterance: Utterance) -> None:
        self._engine = engine
        self._language = utterance.language
        self._pieces: Iterator[str] = iter(utterance.pieces)
        self._encoder: SpeechEncoder | None = None
        self._next: asyncio.Task[tuple[SpeechFrame, ...]] | None = None
        self._begin_next()

    async def next_piece(self) -> tuple[SpeechFrame, ...]:
        """The speech of the next piece.

        Raises:
            DeviceError: the engine failed.
            SettingsError: it does not speak the language.
        """
        assert self._next is not None
        frames = await self._next
        self._begin_next()
        return frames

    async def aclose(self) -> None:
        """Leave nothing running."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)

    def _begin_next(self) -> None:
        piece = next(self._pieces, None)
        self._next = None if piece is None else asyncio.create_task(self._make(piece), name="speech in preparation")

    async def _make(self, piece: str) -> tuple[SpeechFrame, ...]:
        speech = await self._engine.synthesize(piece.strip(), self._language)
        if self._encoder is None:
            self._encoder = await asyncio.to_thread(SpeechEncoder)
        return await asyncio.to_thread(self._encoder.frames, speech)
