"""Who watches may write to the robot."""

from __future__ import annotations

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import ConnectOptions, Incoming, Subscription, connect
from robot_node.webrtc.messages import TextMessage, messages_topic, parse_message
from robot_node.webrtc.signaling import Chat, Terminated
from tests.waiting import eventually
from tests.webrtc.conftest import running_robot
from tests.webrtc.peer import peer


async def test_what_a_viewer_types_is_taken_and_answered_beside_the_call(broker: PrivateBroker) -> None:
    taken: list[tuple[str, str]] = []

    def take(client_id: str, text: str) -> str:
        taken.append((client_id, text))
        return "Too fast." if text == "again" else ""

    told: list[Incoming] = []
    async with (
        running_robot(broker, on_chat=take) as robot,
        peer(robot.broker, "anna") as anna,
        peer(robot.broker, "stranger") as stranger,
        connect(robot.broker, ConnectOptions(client_id="reader"), told.append) as reader,
    ):
        await reader.subscribe(Subscription(messages_topic("+")))
        await anna.offer()
        await robot.has_viewers(1)
        await stranger.send(Chat("I don't even watch"))
        await anna.send(Chat("hello"))
        await anna.send(Chat("again"))
        await eventually(lambda: bool(told))
        assert taken == [("anna", "hello"), ("anna", "again")]
        assert [(each.topic, parse_message(each.payload)) for each in told] == [
            ("$message/anna", TextMessage("Too fast."))
        ]

        await anna.send(Terminated("I have seen enough."))
        await robot.has_viewers(0)
        await anna.send(Chat("bye"))
        await anna.send_bytes(b"{")  # is answered, and comes after it
        await anna.receive(Terminated)
    assert len(taken) == 2
