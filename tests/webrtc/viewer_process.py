"""A viewer in a process of its own, to be killed: says ``connected`` and ``frame`` when it is, and has, one.

Usage: python -m tests.webrtc.viewer_process BROKER_URL CLIENT_ID with-will|without-will
"""

from __future__ import annotations

import asyncio
import sys

from robot_node.mqtt import Broker
from robot_node.webrtc.receiving import ViewerLimits
from robot_node.webrtc.viewer import view
from tests.webrtc.peer import peer
from tests.webrtc.scene import SERVER_ID


async def main(url: str, client_id: str, will: str) -> None:
    """Watch until killed."""
    broker = Broker.from_url(url)
    if will == "with-will":
        async with view(broker, SERVER_ID, client_id=client_id, limits=ViewerLimits(frame_s=600)) as viewing:
            say("connected")
            while True:
                await viewing.frame()
                say("frame")
    async with peer(broker, client_id) as viewer:
        await viewer.offer()
        say("connected")
        while True:
            await viewer.frame(within_s=600)
            say("frame")


def say(word: str) -> None:
    """Tell the test."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
