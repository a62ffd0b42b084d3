"""A viewer made of GStreamer's webrtcbin, signalled by mosquitto's clients, or by HTTP as a WHEP player.

Run it with the system's Python, which has gi.
Reads "keyframe" from standard input to ask for one, any other line to end; prints what happens as lines of JSON.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402  # after the versions are chosen

CAPS = {
    "H264": "application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,packetization-mode=(string)1,"
    "profile-level-id=(string)42e01f",
    "VP8": "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000",
    "OPUS": "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2",
}


def tell(event: str, **details: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **details}) + "\n")
    sys.stdout.flush()


class Mqtt:
    """Signalling through a broker, by two processes."""

    def __init__(self, options: argparse.Namespace) -> None:
        port = ["-h", "127.0.0.1", "-p", str(options.port), "-V", "5"]
        listen = ["stdbuf", "-oL", "mosquitto_sub", *port, "-t", f"$webrtc/{options.client_id}", "-d"]
        send = ["mosquitto_pub", *port, "-t", f"$webrtc/{options.client_id}/{options.robot}", "-l"]
        self.subscriber = subprocess.Popen(listen, stdout=subprocess.PIPE, text=True)
        self.publisher = subprocess.Popen(send, stdin=subprocess.PIPE, text=True)

    def listen(self, viewer: Viewer) -> None:
        """Pass on the robot's messages, in a thread of its own."""
        assert self.subscriber.stdout is not None
        for line in self.subscriber.stdout:
            if "received SUBACK" in line:
                GLib.idle_add(viewer.offer)
            elif line.startswith("{"):
                GLib.idle_add(viewer.receive, json.loads(line))

    def offer(self, sdp: str) -> None:
        self._send({"type": "sdp_offer", "data": {"type": "offer", "sdp": sdp}})

    def candidate(self, index: int, candidate: str) -> None:
        self._send({"type": "ice_candidate", "data": {"candidate": candidate, "sdpMLineIndex": index}})

    def gathered(self, viewer: Viewer) -> None:
        """All candidates have been sent already."""

    def _send(self, message: dict[str, Any]) -> None:
        assert self.publisher.stdin is not None
        self.publisher.stdin.write(json.dumps(message) + "\n")
        self.publisher.stdin.flush()

    def close(self) -> None:
        assert self.publisher.stdin is not None
        self.publisher.stdin.close()
        self.publisher.wait()
        self.subscriber.terminate()
        self.subscriber.wait()


class Whep:
    """Signalling by WHEP: one offer with all candidates, and DELETE at the end."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = ""

    def listen(self, viewer: Viewer) -> None:
        GLib.idle_add(viewer.offer)

    def offer(self, _: str) -> None:
        """Wait for the candidates."""

    def candidate(self, _: int, __: str) -> None:
        """It will be in the offer."""

    def gathered(self, viewer: Viewer) -> None:
        offer = viewer.webrtc.get_property("local-description").sdp.as_text()
        response, answer = self._ask("POST", self.url, offer.encode())
        self.session = urljoin(self.url, response.getheader("Location"))
        viewer.receive({"type": "sdp_answer", "data": {"sdp": answer.decode()}})

    def close(self) -> None:
        tell("deleted", status=self._ask("DELETE", self.session)[0].status)

    def _ask(self, method: str, url: str, body: bytes | None = None) -> tuple[http.client.HTTPResponse, bytes]:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc)
        connection.request(method, f"{parts.path}?{parts.query}", body, {"Content-Type": "application/sdp"})
        response = connection.getresponse()
        return response, response.read()


class Viewer:
    """The pipeline, and its signalling."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.signaling = Whep(options.robot) if options.whep else Mqtt(options)
        self.frames = self.packets = self.buffers = self.lost = 0
        self.sinks: dict[str, Any] = {}
        self.pipeline = Gst.Pipeline.new("viewer")
        self.webrtc = Gst.ElementFactory.make("webrtcbin", "webrtc")
        Gst.util_set_object_arg(self.webrtc, "bundle-policy", options.bundle)
        self.pipeline.add(self.webrtc)
        self.webrtc.connect("notify::ice-gathering-state", self.gathering_changed)
        self.webrtc.connect("on-ice-candidate", self.send_candidate)
        self.webrtc.connect("pad-added", self.receive_media)
        self.webrtc.connect("notify::connection-state", self.state_changed)
        self.webrtc.connect("deep-element-added", self.element_added)
        if options.lose_every:
            self.webrtc.get_by_name("rtpbin").connect("pad-added", self.lose_packets)
        self.pipeline.set_state(Gst.State.READY)
        for codec in options.codecs:
            transceiver = self.webrtc.emit(
                "add-transceiver",
                GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY,
                Gst.Caps.from_string(CAPS[codec]),
            )
            transceiver.set_property("do-nack", codec != "OPUS")
        self.pipeline.set_state(Gst.State.PLAYING)
        if options.channel:
            self.channel = self.webrtc.emit("create-data-channel", options.channel, None)
            self.channel.connect("on-message-string", lambda _, text: tell("message", text=text))

    def offer(self) -> None:
        promise = Gst.Promise.new_with_change_func(self.offer_created, None)
        self.webrtc.emit("create-offer", None, promise)

    def offer_created(self, promise: Any, _: object) -> None:
        reply = promise.get_reply()  # the offer lives as long as it does
        offer = reply.get_value("offer")
        self.webrtc.emit("set-local-description", offer, Gst.Promise.new())
        self.signaling.offer(offer.sdp.as_text())
        tell("offer", sdp=offer.sdp.as_text())

    def send_candidate(self, _: object, index: int, candidate: str) -> None:
        self.signaling.candidate(index, candidate)

    def gathering_changed(self, *_: object) -> None:
        if self.webrtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.signaling.gathered, self)

    def receive(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "sdp_answer":
                _, sdp = GstSdp.SDPMessage.new_from_text(message["data"]["sdp"])
                answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
                self.webrtc.emit(
                    "set-remote-description", answer, Gst.Promise.new_with_change_func(self.answer_set, None)
                )
                tell("answer", sdp=message["data"]["sdp"])
            case "ice_candidate" if message["data"]:
                self.webrtc.emit("add-ice-candidate", message["data"]["sdpMLineIndex"], message["data"]["candidate"])
            case "webrtc_terminated":
                tell("terminated", reason=message["reason"])

    def answer_set(self, promise: Any, _: object) -> None:
        reply = promise.get_reply()
        if reply is not None:
            tell("refused", reason=reply.to_string())

    def state_changed(self, *_: object) -> None:
        tell("state", state=self.webrtc.get_property("connection-state").value_nick)

    def element_added(self, _: object, __: object, element: Any) -> None:
        factory = element.get_factory()
        if factory and factory.get_name() == "rtpjitterbuffer":
            self.jitter_buffer = element

    def lose_packets(self, _: object, pad: Any) -> None:
        if pad.get_name().startswith("recv_rtp_sink"):
            pad.add_probe(Gst.PadProbeType.BUFFER, self.lose_or_pass)

    def lose_or_pass(self, *_: object) -> Any:
        self.packets += 1
        lost = self.packets > 100 and self.packets % self.options.lose_every == 0
        self.lost += lost
        return Gst.PadProbeReturn.DROP if lost else Gst.PadProbeReturn.OK

    def receive_media(self, _: object, pad: Any) -> None:
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        kind = pad.get_current_caps().get_structure(0).get_string("media")
        codec = pad.get_current_caps().get_structure(0).get_string("encoding-name")
        chain = {
            "H264": "rtph264depay ! h264parse ! openh264dec",
            "VP8": "rtpvp8depay ! vp8dec",
            "OPUS": "rtpopusdepay ! opusdec",
        }[codec]
        end = "videoconvert ! video/x-raw,format=GRAY8" if kind == "video" else "audioconvert"
        received = Gst.parse_bin_from_description(f"queue ! {chain} ! {end} ! appsink name=sink sync=false", True)
        sink = received.get_by_name("sink")
        sink.set_property("emit-signals", True)
        self.sinks[kind] = sink
        sink.connect("new-sample", self.show if kind == "video" else self.play)
        self.pipeline.add(received)
        received.sync_state_with_parent()
        pad.link(received.get_static_pad("sink"))

    def show(self, sink: Any) -> Any:
        sample = sink.emit("pull-sample")
        structure = sample.get_caps().get_structure(0)
        buffer = sample.get_buffer()
        self.frames += 1
        if self.options.picture:
            # Rows are padded to four bytes.
            unfinished = self.options.picture.with_suffix(".part")
            unfinished.write_bytes(buffer.extract_dup(0, buffer.get_size()))
            unfinished.replace(self.options.picture)  # whoever reads it meanwhile reads a whole one
        tell("frame", number=self.frames, width=structure.get_value("width"), height=structure.get_value("height"))
        return Gst.FlowReturn.OK

    def play(self, sink: Any) -> Any:
        sink.emit("pull-sample")
        self.buffers += 1
        tell("sound", number=self.buffers)
        return Gst.FlowReturn.OK

    def obey(self, loop: Any) -> None:
        """Do what the lines of standard input say, in a thread of its own."""
        for line in sys.stdin:
            if line != "keyframe\n":
                break
            request = Gst.Structure.new_empty("GstForceKeyUnit")
            request.set_value("all-headers", True)  # a value
            event = Gst.Event.new_custom(Gst.EventType.CUSTOM_UPSTREAM, request)
            self.sinks["video"].get_static_pad("sink").push_event(event)
        loop.quit()

    def close(self) -> None:
        if self.options.lose_every:
            stats = self.jitter_buffer.get_property("stats")
            tell(
                "retransmission",
                lost=self.lost,
                asked=stats.get_value("rtx-count"),
                successes=stats.get_value("rtx-success-count"),
            )
        self.pipeline.set_state(Gst.State.NULL)
        self.signaling.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("robot", help="its server id, or with --whep the endpoint's URL")
    parser.add_argument("--port", type=int, help="of the broker")
    parser.add_argument("--whep", action="store_true")
    parser.add_argument("--client-id", default="gstreamer")
    parser.add_argument("--codecs", nargs="*", default=["H264"])
    parser.add_argument("--bundle", default="max-bundle")
    parser.add_argument("--channel")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--lose-every", type=int)
    Gst.init(None)
    tell("version", version=".".join(map(str, Gst.version()[:3])))
    viewer = Viewer(parser.parse_args())
    loop = GLib.MainLoop()
    threading.Thread(target=viewer.signaling.listen, args=(viewer,), daemon=True).start()
    threading.Thread(target=viewer.obey, args=(loop,), daemon=True).start()
    loop.run()
    viewer.close()


main()
