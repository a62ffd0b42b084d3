"""Assembles the MCP server of a robot: each tool is a thin call into a device. Nothing here touches MQTT."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from robot_node.mcp_mqtt.notifier import Notifier
from robot_node.robot.robot import Robot
from robot_node.robot.status import version_of
from robot_node.settings.access import AccessSettings
from robot_node.settings.root import RobotSettings
from robot_node.tools.access import guarded
from robot_node.tools.ask import ANSWER_QUESTION, offer_answers, offer_ask
from robot_node.tools.audio import offer_microphone, offer_volume
from robot_node.tools.behaviours import offer_behaviours
from robot_node.tools.call import offer_calls
from robot_node.tools.camera import offer_camera
from robot_node.tools.camera_controls import offer_camera_controls
from robot_node.tools.events import offer_events
from robot_node.tools.face import offer_face
from robot_node.tools.general import offer_status, offer_stop
from robot_node.tools.listen import offer_listen
from robot_node.tools.logs import SET_LOG_LEVEL, offer_log_levels
from robot_node.tools.middleware import CallRecorder
from robot_node.tools.pins import offer_outputs, stop_with_session
from robot_node.tools.resources import offer_resources
from robot_node.tools.robot_server import RobotServer
from robot_node.tools.video import offer_video
from robot_node.tools.voice import offer_voice

_INSTRUCTIONS = """\
You have a body: a camera, and a face that shows emotions.
{camera}
Use change_emotion to show how you feel about what is said or seen, and show_text to write below the eyes.
get_status tells what is true now, get_events what happened; wait_for_event waits for what happens next: a button, a
sensor, words that somebody says or types. Give each of the two the cursor of the last result, and you miss nothing."""

_SWITCH_CAMERA = """\
The camera is off until you switch it on: call control_camera with enabled=true before take_photo, and switch it off as
soon as you no longer need it: people see that it is on."""
_PHOTO_SWITCHES = """\
take_photo switches the camera on for the photo and off again: call control_camera only for people who want to watch."""

_VOICE = "\nWith say you speak aloud, with your mouth moving; with stop_speaking you fall silent at once."


def build_server(robot: Robot, *, name: str, description: str, notifier: Notifier | None = None) -> RobotServer:
    """Build the MCP server of a robot, without access rules.

    Args:
        robot: Gives each tool its device.
        name: The robot's server name.
        description: What the robot can do, in a sentence.
        notifier: Announces changes of resources; without it nobody can subscribe to them.
    """
    telemetry, state, outputs = robot.telemetry, robot.telemetry.state, robot.outputs
    speaker = robot.speech.speaker
    server = RobotServer(
        robot.face,
        name,
        description=description,
        instructions=_INSTRUCTIONS.format(camera=_PHOTO_SWITCHES if robot.camera.photo_switches_on else _SWITCH_CAMERA)
        + (_VOICE if speaker is not None else ""),
        version=version_of("robot-node"),
        subscriptions=notifier or False,
        middleware=[CallRecorder(telemetry.counters)],
        lifespan=lambda _: stop_with_session(outputs),
    )
    offer_camera(server, robot.cameras)
    offer_camera_controls(server, robot.cameras, notifier.tools_changed if notifier is not None else lambda: None)
    offer_video(server, robot.cameras)
    offer_status(server, telemetry, outputs)
    offer_face(server, robot.face)
    offer_resources(server, telemetry, robot.face, outputs)
    offer_outputs(server, outputs)
    offer_behaviours(server, robot.performer)
    offer_events(server, telemetry.events)
    offer_stop(server, robot.stop_all)
    offer_ask(server, robot.questions, speaker=speaker, has_button=bool(robot.inputs.confirming))
    for plugin in robot.plugins.values():
        plugin.offer(server)
    if robot.recorder is not None:
        importlib.import_module("robot_node.tools.recording").offer_recording(server, robot.recorder)
    if robot.vision.motion is not None:
        announce = notifier.resource_updated if notifier is not None else str
        importlib.import_module("robot_node.tools.vision").offer_motion(server, robot.vision.motion, announce)
    if robot.vision.detection is not None:
        importlib.import_module("robot_node.tools.vision").offer_detections(server, robot.vision.detection)
    if robot.microphone is not None:
        offer_microphone(server, robot.microphone, state)
    if robot.loudspeaker is not None:
        offer_volume(server, robot.loudspeaker)
    if speaker is not None:
        offer_voice(server, speaker, state)
    if robot.speech.recognition is not None:
        offer_listen(server, robot.speech.recognition, state, telemetry.events)
    if robot.publishing is not None and robot.publishing.settings.when == "on_demand":
        importlib.import_module("robot_node.tools.publish").offer_publishing(server, robot.publishing, state)
    if robot.calls is not None:
        offer_calls(server, robot.calls, state)
    return server


async def build_guarded_server(
    robot: Robot, settings: RobotSettings, access: AccessSettings
) -> tuple[RobotServer, Mapping[str, Any]]:
    """Build the MCP server of a robot with its access rules; returns it, and what its presence says of the rules.

    Raises:
        SettingsError: the access rules name a tool that neither a robot nor a device of this one has.
    """
    server = build_server(robot, name=settings.server_name, description=settings.description, notifier=robot.notifier)
    if access.grants_by_name(SET_LOG_LEVEL):
        offer_log_levels(server)
    if access.grants_by_name(ANSWER_QUESTION):
        offer_answers(server, robot.questions)
    policy = await guarded(server, access, questions=robot.questions, buttons=robot.inputs.confirming)
    robot.telemetry.counters.register_tools(tool.name for tool in await server.list_tools())
    return server, policy.meta()
