"""A program that plays at half the volume through the real ALSA: its configuration is read once per process."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from robot_node.core.state import RobotState
from robot_node.devices.loudspeaker import Loudspeaker
from robot_node.devices.platform import raspberry_pi
from tests.waiting import DEADLINE_S


async def _main(sound: bytes, played: Path, control: str) -> None:
    state = RobotState()
    loudspeaker = Loudspeaker(raspberry_pi(), "robot_out", state, volume_control=control, idle_s=0.1)
    await loudspeaker.set_volume(50)
    for begin in range(0, len(sound), 1920):
        loudspeaker.play(sound[begin : begin + 1920])
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not played.exists() or played.stat().st_size < len(sound):  # noqa: ASYNC240  # ALSA writes it
                await asyncio.sleep(0.01)
    finally:
        await loudspeaker.close()
        print(state.snapshot.fault("loudspeaker"))


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), sys.argv[3]))
