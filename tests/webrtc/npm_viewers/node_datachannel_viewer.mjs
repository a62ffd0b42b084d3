// A viewer made of node-datachannel, which is libdatachannel: node node_datachannel_viewer.mjs H264|VP8

import nodeDataChannel from "node-datachannel";

import { onSignal, signal, tell } from "./lines.mjs";

// Without its own negotiation, which would offer as soon as there is a channel.
const peer = new nodeDataChannel.PeerConnection("viewer", { iceServers: [], disableAutoNegotiation: true });
const video = new nodeDataChannel.Video("video", "RecvOnly");
if (process.argv[2] === "VP8") video.addVP8Codec(96);
else video.addH264Codec(96);

peer.onLocalDescription((sdp, type) => signal({ type: "sdp_offer", data: { type, sdp } }));
peer.onLocalCandidate((candidate, sdpMid) => signal({ type: "ice_candidate", data: { candidate, sdpMid } }));
peer.onStateChange((state) => tell("state", { state }));

const track = peer.addTrack(video);
track.setMediaHandler(new nodeDataChannel.RtcpReceivingSession());
track.onMessage((packet) => tell("rtp", { packet: packet.toString("base64") }));
const channel = peer.createDataChannel("status");
channel.onMessage((text) => tell("status", { text: text.toString() }));
// libdatachannel removes a track, and closes a channel, whose object was garbage-collected.
globalThis.inUse = [peer, track, channel];

onSignal(({ type, data }) => {
  if (type === "sdp_answer") peer.setRemoteDescription(data.sdp, "answer");
  if (type === "ice_candidate" && data) peer.addRemoteCandidate(data.candidate, data.sdpMid ?? "");
});

peer.setLocalDescription();
