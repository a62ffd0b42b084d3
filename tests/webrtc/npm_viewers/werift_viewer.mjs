// A viewer made of werift: node werift_viewer.mjs H264|VP8

import { RTCPeerConnection, useH264, useVP8 } from "werift";

import { onSignal, signal, tell } from "./lines.mjs";

const codecs = { H264: useH264, VP8: useVP8 };
const peer = new RTCPeerConnection({ iceServers: [], codecs: { video: [codecs[process.argv[2]]()] } });

peer.onIceCandidate.subscribe((candidate) => signal({ type: "ice_candidate", data: candidate ? candidate.toJSON() : null }));
peer.connectionStateChange.subscribe((state) => tell("state", { state }));
peer.addTransceiver("video", { direction: "recvonly" }).onTrack.subscribe((track) => {
  track.onReceiveRtp.subscribe((packet) => tell("rtp", { packet: packet.serialize().toString("base64") }));
});
peer.createDataChannel("status").onMessage.subscribe((text) => tell("status", { text: text.toString() }));

onSignal(async ({ type, data }) => {
  if (type === "sdp_answer") await peer.setRemoteDescription(data);
  if (type === "ice_candidate" && data) await peer.addIceCandidate(data);
});

const offer = await peer.createOffer();
signal({ type: "sdp_offer", data: { type: "offer", sdp: offer.sdp } });
await peer.setLocalDescription(offer);
