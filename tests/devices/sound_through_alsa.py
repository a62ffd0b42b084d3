"""A program that plays and records through the real sound library: ALSA's configuration is read once per process."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from robot_node.core.media import EncodedAudio
from robot_node.core.state import RobotState
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.devices.microphone import Microphone
from robot_node.devices.platform import raspberry_pi
from tests.waiting import DEADLINE_S, eventually

_PACKETS = 50


async def _main(sound: bytes, played: Path, heard: Path) -> None:
    state, platform = RobotState(), raspberry_pi()
    loudspeaker = Loudspeaker(platform, "robot_out", state, volume=100, idle_s=0.1)
    for begin in range(0, len(sound), 1920):
        loudspeaker.play(sound[begin : begin + 1920])
    microphone = Microphone(platform, "robot_in", state)
    got: list[EncodedAudio] = []
    enough = asyncio.Event()

    def take(packet: EncodedAudio) -> None:
        got.append(packet)
        if len(got) >= _PACKETS:
            enough.set()

    microphone.set_sink(take)
    microphone.set_listened(True)
    try:
        async with asyncio.timeout(DEADLINE_S):
            await enough.wait()
            await eventually(lambda: played.exists() and played.stat().st_size >= len(sound))  # ALSA writes it
    finally:
        await microphone.close()
        await loudspeaker.close()
        print(state.snapshot.fault("microphone"), state.snapshot.fault("loudspeaker"))
    with heard.open("wb") as file:
        for packet in got[:_PACKETS]:
            file.write(len(packet.data).to_bytes(2, "big") + packet.data)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), Path(sys.argv[3])))
