"""The robot's conversations with a model, as its settings ask for them; loaded when the robot is reachable."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from mcp.server import MCPServer

from robot_node.core.questions import Way
from robot_node.mcp_mqtt.local import ask_tool
from robot_node.robot.robot import Robot
from robot_node.settings.realtime import RealtimeSettings
from robot_node.speech.turn_claims import HEARD, TRANSCRIBED
from robot_node.webrtc.messages import AsrResponse


async def converse(
    robot: Robot,
    settings: RealtimeSettings,
    server: MCPServer,
    online: asyncio.Event,
    is_answer: Callable[[int], bool],
) -> None:
    """Talk with the model of the settings until cancelled.

    Args:
        robot: Its parts.
        settings: Server, key, tools and limits.
        server: Has the robot's tools; they are called as the client of the settings, under the access rules.
        online: Is set when the robot is reachable.
        is_answer: Whether the event of a number answered a question: it belongs to who asked.
    """
    await online.wait()
    backend = await asyncio.to_thread(importlib.import_module, "robot_node.robot.realtime.backend")
    state, allowed = robot.telemetry.state, set(settings.tools)
    offered = [
        (tool.name, tool.description or "", tool.input_schema)
        for tool in await server.list_tools()
        if tool.name in allowed
    ]
    if missing := sorted(allowed - {name for name, _, _ in offered}):
        state.set_fault("realtime tools", f"This robot has no such tool (realtime.tools): {', '.join(missing)}.")

    async def call_tool(tool: str, arguments: Mapping[str, Any]) -> str:
        answer = await ask_tool(server, settings.client_id, tool, arguments)
        return f"Error: {answer.text}" if answer.failed else answer.text

    recognition = robot.speech.recognition

    def is_claimed() -> bool:
        asked = any(Way.SPEECH in question.ways for question in robot.questions.open)
        return asked or (recognition is not None and recognition.claims.is_claimed)

    def was_claimed(sequence: int) -> bool:
        return is_answer(sequence) or (recognition is not None and recognition.claims.was_claimed(sequence))

    def on_transcribed(text: str) -> None:
        details = {TRANSCRIBED: settings.transcription_model}
        robot.telemetry.events.add(HEARD, text, details=details)
        robot.speech.announcements.send(AsrResponse(text, ""))

    realtime = backend.RealtimeBackend(
        settings,
        state,
        robot.telemetry.events,
        robot.speech.speaker,
        tools=offered,
        call_tool=call_tool,
        is_claimed=is_claimed,
        was_claimed=was_claimed,
        is_stop_phrase=recognition.is_stop_phrase if recognition is not None else lambda _: False,
        on_transcribed=on_transcribed,
    )
    if recognition is None:
        await realtime.run()
        return
    if settings.sound:
        recognition.set_speech_sink(realtime.speech_input)
    stop = recognition.claims.listen(realtime.be_silent)
    try:
        await realtime.run()
    finally:
        stop()
        recognition.set_speech_sink(None)
