"""Real Chromium hears the robot, and is heard by it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from robot_node.apps.private_broker import PrivateBroker
from robot_node.mqtt import ConnectOptions, Incoming, Subscription, connect
from robot_node.webrtc.signaling import answers_topic, offers_topic
from tests.sound import loudest_hz
from tests.waiting import DEADLINE_S, eventually
from tests.webrtc.scene import SERVER_ID
from tests.webrtc.test_audio import robot_with_sound
from tests.webrtc.test_chromium import chromium_page

# What a page does that talks with a robot. It hums 600 Hz; `loudest` says at what pitch it hears most.
_PAGE = """
<!doctype html><title>talker</title><video id="video" muted autoplay playsinline></video>
<audio id="audio" autoplay></audio>
<script>
const peer = new RTCPeerConnection();
const context = new AudioContext({sampleRate: 48000});
const analyser = new AnalyserNode(context, {fftSize: 8192});
peer.ontrack = (event) => {
  const stream = new MediaStream([event.track]);
  document.getElementById(event.track.kind).srcObject = stream;
  if (event.track.kind === "audio") context.createMediaStreamSource(stream).connect(analyser);
};
peer.onicecandidate = (event) =>
  toRobot(JSON.stringify({type: "ice_candidate", data: event.candidate && event.candidate.toJSON()}));
window.fromRobot = async (text) => {
  const message = JSON.parse(text);
  if (message.type === "sdp_answer") await peer.setRemoteDescription(message.data);
};
window.talk = async () => {
  const voice = new OscillatorNode(context, {frequency: 600});
  const spoken = new MediaStreamAudioDestinationNode(context);
  voice.connect(spoken); voice.start();
  peer.addTransceiver(spoken.stream.getAudioTracks()[0], {direction: "sendrecv"});  // audio before video, as pages do
  peer.addTransceiver("video", {direction: "recvonly"});
  await peer.setLocalDescription();
  await toRobot(JSON.stringify({type: "sdp_offer", data: peer.localDescription}));
};
window.loudest = () => {
  const levels = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(levels);
  const best = levels.indexOf(Math.max(...levels));
  return levels[best] > -60 ? best * context.sampleRate / analyser.fftSize : 0;
};
</script>
"""


@pytest.mark.slow
@pytest.mark.peer("Chromium", works="sound in both directions")
async def test_chromium_hears_the_robot_and_is_heard(broker: PrivateBroker, tmp_path: Path) -> None:
    to_page: asyncio.Queue[Incoming] = asyncio.Queue()
    async with (
        robot_with_sound(broker, viewer_may_speak=True) as running,
        connect(running.robot.broker, ConnectOptions(client_id="page"), to_page.put_nowait) as connection,
        chromium_page(tmp_path / "profile") as page,
    ):
        await connection.subscribe(Subscription(answers_topic("page")))

        async def to_robot(text: str) -> None:
            await connection.publish(offers_topic("page", SERVER_ID), text.encode())

        async def relay() -> None:
            while True:
                incoming = await to_page.get()
                await page.evaluate("(text) => fromRobot(text)", incoming.payload.decode())

        await page.expose_function("toRobot", to_robot)
        await page.set_content(_PAGE)
        relaying = asyncio.create_task(relay(), name="relay to the page")
        try:
            await page.evaluate("talk()")
            await page.wait_for_function("Math.abs(loudest() - 1000) < 20", timeout=1000 * DEADLINE_S)
            await page.wait_for_function(
                "document.getElementById('video').getVideoPlaybackQuality().totalVideoFrames > 5"
            )
            played = running.pi.loudspeaker
            await eventually(
                lambda: len(played.played) > 96_000 and abs(loudest_hz(played.played[-48_000:]) - 600) < 20
            )
            assert loudest_hz(played.played[-48_000:]) == pytest.approx(600, abs=20)
        finally:
            relaying.cancel()
            await asyncio.gather(relaying, return_exceptions=True)
