/** The media sections of an offer: what is sent and received in a session. */

import type { CallState } from "./state";

export interface Sections {
  /** Null when nothing is to be heard on either side. */
  audio: RTCRtpTransceiver | null;
  /** The other cameras, in the robot's order. */
  others: RTCRtpTransceiver[];
}

/** Add them to a new peer connection. Video is always asked for: a camera that is off now may be on later. */
export function addSections(peer: RTCPeerConnection, { localStream, isListening }: Pick<CallState, "localStream" | "isListening">, cameras: number): Sections {
  const [voice] = localStream?.getAudioTracks() ?? [];
  const [camera] = localStream?.getVideoTracks() ?? [];
  const streams = localStream ? [localStream] : [];
  peer.addTransceiver(camera ?? "video", { direction: camera ? "sendrecv" : "recvonly", streams });
  const direction = voice ? (isListening ? "sendrecv" : "sendonly") : "recvonly";
  const audio = voice || isListening ? peer.addTransceiver(voice ?? "audio", { direction, streams }) : null;
  const others = Array.from({ length: cameras - 1 }, () => peer.addTransceiver("video", { direction: "recvonly" }));
  return { audio, others };
}
