"""Push-to-talk: a button begins a turn of the conversation, without a wake word."""

from __future__ import annotations

import asyncio

from robot_node.core.state import RobotSnapshot, RobotState
from robot_node.speech.recognition import SpeechRecognition


async def watch_talk_buttons(state: RobotState, names: tuple[str, ...], recognition: SpeechRecognition) -> None:
    """Begin a turn whenever a button is pressed, until cancelled.

    Args:
        state: Has the inputs.
        names: Which of them are to be pressed.
        recognition: Falls silent and listens.
    """
    before = state.snapshot

    def on_change(now: RobotSnapshot) -> None:
        nonlocal before
        previous, before = before, now
        for name in names:
            was, is_ = previous.inputs.get(name), now.inputs.get(name)
            if was is not None and is_ is not None and was.active is False and is_.active:
                recognition.push_to_talk()

    stop = state.listen(on_change)
    try:
        await asyncio.Event().wait()
    finally:
        stop()
