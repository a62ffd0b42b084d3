/** The JSON messages of WebRTC over MQTT, and their topics. Pure. `{client-id}` is always the offering side: us. */

import { isDocument, member, parsed, shortened } from "../json";

/** The answerer's name on a broker with a single media proxy. */
export const PROXY_NAME = "multimedia_proxy";

export const offersTopic = (clientId: string, answerer: string) => `$webrtc/${clientId}/${answerer}`;
export const answersTopic = (clientId: string) => `$webrtc/${clientId}`;
export const messagesTopic = (clientId: string) => `$message/${clientId}`;

/** What we send. */
export type Outgoing =
  | { type: "sdp_offer"; data: { type: "offer"; sdp: string } }
  | { type: "ice_candidate"; data: RTCIceCandidateInit | null }
  | { type: "webrtc_terminated"; reason: string }
  | { type: "chat"; data: string };

/** What the answering side sends. */
export type Incoming =
  | { type: "sdp_answer"; sdp: string; /** The `ice-ufrag` of the offer that it answers. */ offer?: string }
  | { type: "ice_candidate"; candidate: RTCIceCandidateInit | null }
  | { type: "webrtc_terminated"; reason: string };

/** What a media backend tells beside a call. */
export type BackendMessage =
  | { type: "asr_response"; results: string; by?: string }
  | { type: "tts_begin"; task_id: string }
  | { type: "tts_text"; task_id: string; text: string }
  | { type: "tts_complete"; task_id: string }
  | { type: "tts_terminate"; task_id: string }
  | { type: "message"; payload: unknown };

/** What a robot tells its viewers on the data channel `status`: also while the broker is away. */
export interface ViewerStatus {
  camera: "off" | "starting" | "on" | "stopping" | "failed";
  /** Why there is no picture: the camera failed, or is on and cannot encode video; else empty. */
  camera_error: string;
  /** The privacy switch is engaged: no picture until a person at the robot disengages it. */
  privacy: boolean;
  /** The camera's video is being recorded; a robot that may not record does not say. */
  recording?: boolean;
  /** Degrees clockwise by which the page has to rotate the picture; absent when the video itself says it, or need not. */
  rotation?: 90 | 180 | 270;
  /** What becomes of our sound: it waits while the robot itself speaks; somebody stopped it; `no`: somebody else speaks. */
  taken?: Taken;
}

/** What a robot has told, without what it is not known of in a new session. */
export function ofNewSession(robot: ViewerStatus | null): ViewerStatus | null {
  if (robot?.taken === undefined) return robot;
  const known = { ...robot };
  delete known.taken;
  return known;
}

const TAKEN = ["yes", "waits", "stopped", "no"] as const;

export type Taken = (typeof TAKEN)[number];

export const STATUS_CHANNEL = "status";

const REASON_LIMIT = 1000;

const read = (payload: string) => {
  const document = parsed(payload);
  return isDocument(document) ? document : null;
};

/** Read a signalling message; null when it is none that we know. */
export function parseSignal(payload: string): Incoming | null {
  const document = read(payload);
  if (!document) return null;
  const { type, data, reason, offer } = document;
  if (type === "webrtc_terminated") return { type, reason: typeof reason === "string" ? shortened(reason, REASON_LIMIT) : "" };
  if (type === "sdp_answer") {
    const sdp = typeof data === "string" ? data : member(data, "sdp");
    if (typeof sdp !== "string" || !sdp) return null;
    return typeof offer === "string" ? { type, sdp, offer } : { type, sdp };
  }
  if (type === "ice_candidate") {
    if (data === null || data === undefined) return { type, candidate: null };
    return isDocument(data) ? readCandidate(data) : null;
  }
  return null;
}

function readCandidate({ candidate, sdpMid, sdpMLineIndex, usernameFragment }: Record<string, unknown>): Incoming | null {
  const type = "ice_candidate";
  if (candidate === "" || candidate === undefined) return { type, candidate: null };
  if (typeof candidate !== "string") return null;
  return {
    type,
    candidate: {
      candidate,
      ...(typeof sdpMid === "string" ? { sdpMid } : {}),
      ...(typeof sdpMLineIndex === "number" ? { sdpMLineIndex } : {}),
      ...(typeof usernameFragment === "string" ? { usernameFragment } : {}),
    },
  };
}

/** Read a message of the data channel `status`; null when it is none that we know. */
export function parseViewerStatus(text: unknown): ViewerStatus | null {
  const document = typeof text === "string" ? read(text) : null;
  const { camera, camera_error = "", privacy, recording, rotation, taken } = document ?? {};
  return typeof camera === "string" && typeof camera_error === "string" && typeof privacy === "boolean"
    ? ({
        camera,
        camera_error: shortened(camera_error, REASON_LIMIT),
        privacy,
        ...(typeof recording === "boolean" ? { recording } : {}),
        ...([90, 180, 270].includes(rotation as number) ? { rotation } : {}),
        ...(TAKEN.includes(taken as Taken) ? { taken } : {}),
      } as ViewerStatus)
    : null;
}

/** Read a message of `$message/...`; null when it is none that we know. */
export function parseBackendMessage(payload: string): BackendMessage | null {
  const { type, results, by, text, task_id, format, payload: content } = read(payload) ?? {};
  const task = typeof task_id === "number" ? String(task_id) : task_id;
  switch (type) {
    case "asr_response": {
      const heard = format === "raw" && Array.isArray(results) ? rawText(results) : results;
      return typeof heard === "string" ? { type, results: heard, ...(typeof by === "string" ? { by } : {}) } : null;
    }
    case "tts_text":
      return typeof task === "string" && typeof text === "string" ? { type, task_id: task, text } : null;
    case "tts_begin":
    case "tts_complete":
    case "tts_terminate":
      return typeof task === "string" ? { type, task_id: task } : null;
    case "message":
      return content === undefined ? null : { type, payload: content };
    default:
      return null;
  }
}

/** An answer may name its offer, by the `ice-ufrag`: who offered twice passes over the answer to the older offer. */
export const answersOffer = (fragment: string | undefined, sdp = ""): boolean =>
  fragment === undefined || sdp.split(/\r?\n/).includes(`a=ice-ufrag:${fragment}`);

export const terminated = (reason: string) => JSON.stringify({ type: "webrtc_terminated", reason } satisfies Outgoing);

/** The text of a recogniser's raw results: a list of pieces. */
function rawText(results: unknown[]): string {
  const texts = results.map((piece) => (typeof piece === "string" ? piece : member(piece, "text")));
  return texts.filter((text) => typeof text === "string").join("");
}
