"""Speaks queued texts in order, shows them on the face and announces them to peers, until stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from robot_node.core.events import EventLog
from robot_node.core.media import SpeechFrame
from robot_node.core.mixer import Mixer
from robot_node.core.state import Device, RobotState, acting_for
from robot_node.devices.face import Face
from robot_node.errors import DeviceError, NotReadyError, RobotNodeError, SettingsError
from robot_node.speech.chunk_synthesis import ChunkSynthesis
from robot_node.speech.progress import Progress
from robot_node.speech.spoken_stream import SpokenStream
from robot_node.speech.synthesis_engine import LoadingEngine, SpeechEngine
from robot_node.speech.text_chunks import text_chunks
from robot_node.speech.text_language import language_of
from robot_node.speech.waveform import FRAME_S
from robot_node.webrtc.messages import BackendMessage, TtsBegin, TtsComplete, TtsTerminate, TtsText

logger = logging.getLogger(__name__)

INTERRUPTED = "interrupted"
"""Kind of the event: a person has interrupted the robot."""

QUEUE = 8
"""Texts that may wait behind the one that is being said."""

_LEAD_S = 0.1
"""How far frames are sent ahead of time: as much may be heard after an interruption, and a busy loop may be as late."""

_QUEUED_S = 0.12
"""Sound that may wait in the loudspeaker's queue; before more is sent, some is played."""

_LOUDSPEAKER_LIMIT_S = 3.0
"""How long a loudspeaker is waited for that does not play."""

_SUBTITLE_EXTRA_S = 0.5
"""How much longer than the speech a subtitle is shown."""


@dataclass(frozen=True, slots=True)
class SpeechEnd:
    """How a text has ended.

    Attributes:
        said: What of it has been heard, to the last word that was begun.
        whole: All of it has.
        error: Why the robot cannot speak; empty otherwise.
    """

    said: str = ""
    whole: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class SpeechTask:
    """A text to say.

    Attributes:
        task_id: Identifies it in messages to peers.
        chunks: The text, cut by :func:`robot_node.speech.text_chunks.text_chunks`.
        language: A language tag.
        emotion: Shown by the face when it begins; empty leaves the face as it is.
        by: Client id of the agent that asked for it.
        ended: Is done when it has been said, or will not be said.
        stream: Speech that is there already, and is played instead of a text.
    """

    task_id: str
    chunks: tuple[str, ...]
    language: str
    emotion: str
    by: str
    ended: asyncio.Future[SpeechEnd] = field(compare=False, repr=False)
    stream: SpokenStream | None = None

    def end(self, how: SpeechEnd, heard_s: float = 0.0) -> None:
        """Note how it has ended, and how much of a stream was heard; only the first time counts."""
        if not self.ended.done():
            self.ended.set_result(how)
        if self.stream is not None:
            if how.whole:
                self.stream.finish()
            else:
                self.stream.cut(heard_s)


class Speaker:
    """Says texts. Used from the event loop only; :meth:`run` must be running.

    Args:
        engine: Synthesises speech.
        face: Shows subtitles and emotions.
        state: Gets ``speaking``, and the fault of the voice.
        mixer: Its input ``speech`` is the voice.
        language: A language tag, for texts that don't come with one.
        languages: Other language tags: a text that comes without one may be in them, which its letters and words say.
        send: Sends messages to peers.
        events: Gets what is said.
        clock: Monotonic time in seconds; the mixer's.
        sleep: Waits so many seconds of that clock.
    """

    def __init__(
        self,
        engine: SpeechEngine,
        face: Face,
        state: RobotState,
        mixer: Mixer,
        *,
        language: str = "en",
        languages: Iterable[str] = (),
        send: Callable[[BackendMessage], None] = lambda _: None,
        events: EventLog | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._engine = engine
        self._face = face
        self._state = state
        self._mixer = mixer
        self._language = language
        self._languages = tuple(languages)
        self._send = send
        self._events = events or EventLog()
        self._clock = clock
        self._sleep = sleep
        self._queue: deque[SpeechTask] = deque()
        self._queue_filled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._current: SpeechTask | None = None  # of which something has been heard
        self._due = 0.0  # when the next frame is to be heard
        self._sent_s = 0.0  # of the current text
        self._progress = Progress()

    @property
    def texts_ahead(self) -> int:
        """How many texts are said before the last one in the queue."""
        return max(0, len(self._queue) - 1 + self._busy)

    @property
    def _busy(self) -> bool:
        return self._task is not None and not self._task.done() and not self._task.cancelling()

    async def check(self) -> None:
        """Check the engine, so that a missing one is reported at start, and let it load its voice."""
        with contextlib.suppress(RobotNodeError):
            await self._check_engine(self._language)
            if isinstance(self._engine, LoadingEngine):
                await self._engine.prepare(self._language)

    async def say(self, text: str, *, emotion: str = "", language: str = "", interrupt: bool = False) -> SpeechTask:
        """Queue a text to be said; returns at once.

        Args:
            text: Up to :data:`robot_node.speech.text_chunks.LONGEST_TEXT` characters.
            emotion: Shown by the face when it begins; empty leaves the face as it is.
            language: A language tag; empty for the one of the robot's languages that the text seems to be in.
            interrupt: Say it now: the current text is cut short, and the queue is emptied.

        Raises:
            SettingsError: nothing in the text can be spoken; the engine does not speak the language; the face does not
                know the emotion.
            DeviceError: the engine is missing or does not work.
            NotReadyError: the queue is full.
        """
        language = language or language_of(text, self._languages, self._language)
        task = SpeechTask(
            task_id=uuid.uuid4().hex,
            chunks=text_chunks(text),
            language=language,
            emotion=self._face.canonical_name(emotion) if emotion else "",
            by=acting_for(),
            ended=asyncio.get_running_loop().create_future(),
        )
        if not task.chunks:
            raise SettingsError("There is nothing to be said in this text: no letter and no digit.")
        await self._check_engine(language)
        if interrupt:
            self.stop()
        self._add(task)
        return task

    def play(self, stream: SpokenStream) -> SpeechTask:
        """Queue speech that comes as sound, to be heard as the robot's voice; returns at once.

        Args:
            stream: Is filled while it is played; it is cut when it is not played to its end.

        Raises:
            NotReadyError: the queue is full.
        """
        ended = asyncio.get_running_loop().create_future()
        task = SpeechTask(uuid.uuid4().hex, (), self._language, "", acting_for(), ended, stream)
        self._add(task)
        return task

    def _add(self, task: SpeechTask) -> None:
        if len(self._queue) >= QUEUE:
            raise NotReadyError(
                f"{QUEUE} texts wait to be said.",
                remedy="Wait until speaking is false in get_status, call stop_speaking, or say it with interrupt=true.",
            )
        self._queue.append(task)
        self._queue_filled.set()

    def stop(self) -> int:
        """Fall silent at once, and empty the queue.

        Returns:
            How many texts are not, or not wholly, said.
        """
        waiting = list(self._queue)
        stopped = len(waiting)
        self._queue.clear()
        if self._task is not None and self._busy:
            stopped += 1
            self._task.cancel()
            self._cut_short()
        for task in waiting:
            task.end(SpeechEnd())
        return stopped

    def interrupt(self) -> None:
        """Fall silent because a person speaks; an event has what has been said by then."""
        if self._current is not None:
            said = self._said
            text = f"A person interrupted the robot after: {said}" if said else "A person interrupted the robot."
            self._events.add(INTERRUPTED, text, details={"said": said})
        self.stop()

    async def run(self) -> None:
        """Say the texts in the queue, until cancelled."""
        try:
            while True:
                await self._queue_filled.wait()
                self._queue_filled.clear()
                while self._queue:
                    task = self._task = asyncio.create_task(self._say(self._queue.popleft()), name="speech")
                    await asyncio.wait({task})
        finally:
            self.stop()
            if self._task is not None:
                await asyncio.wait({self._task})
            if isinstance(self._engine, LoadingEngine):
                await self._engine.close()

    async def _check_engine(self, language: str) -> None:
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

    async def _say(self, task: SpeechTask) -> None:
        try:
            if task.stream is None:
                await self._say_chunks(task)
            else:
                await self._play_stream(task, task.stream)
            if self._current is not None:
                await self._sleep(max(0.0, self._due - self._clock()))
                await self._until_queued_is_less_than(FRAME_S)
                self._end(TtsComplete(task.task_id))
            task.end(SpeechEnd("".join(task.chunks) if task.stream is None else task.stream.text, whole=True))
        except RobotNodeError as error:
            self._cut_short(str(error))
            task.end(SpeechEnd(error=str(error)))
            self._report(error)
        except Exception:  # whatever an engine stumbles over, the next text may be better
            logger.exception("A text could not be said")
        finally:
            self._cut_short()
            task.end(SpeechEnd())  # nothing of it has been heard

    async def _say_chunks(self, task: SpeechTask) -> None:
        async with contextlib.aclosing(ChunkSynthesis(self._engine, task.chunks, task.language)) as synthesis:
            for chunk in task.chunks:
                frames = await synthesis.next_chunk()
                if self._current is None:
                    self._begin(task)
                    self._report_said(task, "".join(task.chunks))
                self._progress.next_chunk(chunk, len(frames) * FRAME_S)
                self._show(task, chunk, chunk, len(frames) * FRAME_S + _SUBTITLE_EXTRA_S)
                await self._play(frames)

    async def _play_stream(self, task: SpeechTask, stream: SpokenStream) -> None:
        async with contextlib.aclosing(stream.parts()) as parts:
            async for frames in parts:
                if self._current is None:
                    self._begin(task)
                if (line := stream.next_line(self._sent_s)) is not None:
                    self._show(task, *line)
                await self._play(frames)
        if self._current is not None:  # there was sound
            if (line := stream.next_line(stream.received_s)) is not None:
                self._show(task, *line)
            self._report_said(task, stream.text)

    def _show(self, task: SpeechTask, line: str, new: str, seconds: float | None = None) -> None:
        self._face.show_text(line, seconds)
        self._send(TtsText(task.task_id, new))

    def _report_said(self, task: SpeechTask, text: str) -> None:
        self._events.add("speech", f"The robot says: {text}", by=task.by)

    @property
    def _said(self) -> str:
        """What has been heard of the current text."""
        if self._current is None:
            return ""
        stream = self._current.stream
        return self._progress.said(self._clock()) if stream is None else stream.said(self._heard_s)

    @property
    def _heard_s(self) -> float:
        """Seconds of the current text that have been heard."""
        return self._sent_s - max(0.0, self._due - self._clock(), self._mixer.queued_s)

    def _begin(self, task: SpeechTask) -> None:
        self._current = task
        self._progress = Progress()
        self._due = self._sent_s = 0.0
        if task.emotion:
            self._face.show_emotion(task.emotion)
        self._mixer.begin_speech()
        self._state.set_fault(Device.VOICE, "", speaking=True)
        self._send(TtsBegin(task.task_id))

    def _cut_short(self, error: str = "") -> None:
        """Silence the current text, if any."""
        if (task := self._current) is None:
            return
        self._face.stop_speaking()
        self._face.show_text("")
        said, heard_s = self._said, self._heard_s
        self._events.add("speech", "The robot did not say all of it.", by=acting_for(), details={"said": said})
        self._end(TtsTerminate(task.task_id), flush=True)
        task.end(SpeechEnd(said, error=error), heard_s)

    def _end(self, message: BackendMessage, *, flush: bool = False) -> None:
        self._current = None
        self._mixer.end_speech(flush=flush)
        self._state.update(speaking=False)
        self._send(message)

    async def _play(self, frames: Sequence[SpeechFrame]) -> None:
        """Send frames a little before they are due, so that little is heard of them after an interruption."""
        for frame in frames:
            await self._until_queued_is_less_than(_QUEUED_S)
            await self._sleep(max(0.0, self._due - _LEAD_S - self._clock()))
            # At the beginning, and after a delay, a frame is due now; what follows is heard later.
            self._due = max(self._due, self._clock())
            self._progress.begin_chunk(self._due)
            self._mixer.speak(frame, self._due)
            self._due += FRAME_S
            self._sent_s += FRAME_S

    async def _until_queued_is_less_than(self, seconds: float) -> None:
        """Wait for a loudspeaker that is being opened, or plays something else; not for one that is broken."""
        began = self._clock()
        while (  # the loudspeaker's thread sets no event
            self._mixer.queued_s >= seconds
            and not self._state.snapshot.fault(Device.LOUDSPEAKER)
            and self._clock() - began < _LOUDSPEAKER_LIMIT_S
        ):
            await self._sleep(FRAME_S / 2)
