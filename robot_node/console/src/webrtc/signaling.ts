/** The JSON messages of WebRTC over MQTT, and their topics. Pure. `{client-id}` is always the offering side: us. */

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
  | { type: "sdp_answer"; sdp: string }
  | { type: "ice_candidate"; candidate: RTCIceCandidateInit | null }
  | { type: "webrtc_terminated"; reason: string };

/** What a media backend tells beside a call. */
export type BackendMessage =
  | { type: "asr_response"; results: string; by?: string }
  | { type: "tts_begin"; task_id: string }
  | { type: "tts_text"; task_id: string; text: string }
  | { type: "tts_complete"; task_id: string }
  | { type: "tts_terminate"; task_id: string }
  | { type: "message"; payload: string };

/** What a robot tells its viewers on the data channel `status`: also while the broker is away. */
export interface ViewerStatus {
  camera: "off" | "starting" | "on" | "stopping" | "failed";
  /** Why there is no picture: the camera failed, or is on and cannot encode video; else empty. */
  camera_error: string;
  /** The privacy switch is engaged: no picture until a person at the robot disengages it. */
  privacy: boolean;
}

export const STATUS_CHANNEL = "status";

type Document = Record<string, unknown>;

function read(payload: string): Document | null {
  try {
    const document: unknown = JSON.parse(payload);
    return typeof document === "object" && document !== null ? (document as Document) : null;
  } catch {
    return null;
  }
}

/** Read a signalling message; null when it is none that we know. */
export function parseSignal(payload: string): Incoming | null {
  const document = read(payload);
  if (!document) return null;
  const { type, data, reason } = document;
  if (type === "webrtc_terminated") return { type, reason: typeof reason === "string" ? reason : "" };
  if (type === "sdp_answer") {
    const sdp = typeof data === "string" ? data : (data as Document | null)?.["sdp"];
    return typeof sdp === "string" && sdp ? { type, sdp } : null;
  }
  if (type === "ice_candidate") {
    if (data === null || data === undefined) return { type, candidate: null };
    if (typeof data !== "object") return null;
    const candidate = data as RTCIceCandidateInit;
    return { type, candidate: candidate.candidate ? candidate : null };
  }
  return null;
}

/** Read a message of the data channel `status`; null when it is none that we know. */
export function parseViewerStatus(text: unknown): ViewerStatus | null {
  const document = typeof text === "string" ? read(text) : null;
  const { camera, camera_error = "", privacy } = document ?? {};
  return typeof camera === "string" && typeof camera_error === "string" && typeof privacy === "boolean"
    ? ({ camera, camera_error, privacy } as ViewerStatus)
    : null;
}

const TEXT_FIELDS: Record<BackendMessage["type"], string[]> = {
  asr_response: ["results"],
  tts_begin: ["task_id"],
  tts_text: ["task_id", "text"],
  tts_complete: ["task_id"],
  tts_terminate: ["task_id"],
  message: ["payload"],
};

/** Read a message of `$message/...`; null when it is none that we know. */
export function parseBackendMessage(payload: string): BackendMessage | null {
  const document = read(payload);
  const fields = document && TEXT_FIELDS[document["type"] as BackendMessage["type"]];
  if (!document || !fields?.every((field) => typeof document[field] === "string")) return null;
  return document as unknown as BackendMessage;
}
