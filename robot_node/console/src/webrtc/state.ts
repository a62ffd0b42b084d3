/** The state of a call, why it fails, and its options. */

import type { BackendMessage, ViewerStatus } from "./signaling";
import type { Tried } from "./tried";

/** As protocol and page name them. */
export type CallConnectionState = "disconnected" | "connecting" | "connected" | "failed" | "closed";

/** Why a session failed. */
export type CallProblem = "broker" | "no-answer" | "no-path" | "loopback" | "lost" | "refused" | "limit" | "media" | "server" | "server-refused";

export class CallError extends Error {
  constructor(
    readonly problem: CallProblem,
    message: string,
    /** Where no connection came about. */
    readonly tried?: Tried,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "CallError";
  }
}

export interface CallState {
  connectionState: CallConnectionState;
  /** The signalling connection is up. Pictures and sound go on without it. */
  mqttConnected: boolean;
  error: CallError | null;
  /** Our microphone and camera, while one of them is on. */
  localStream: MediaStream | null;
  remoteStream: MediaStream | null;
  /** The other side's sound alone: it needs no picture to be played. */
  remoteSound: MediaStream | null;
  /** The pictures of a robot's other cameras, in its order, as they come. */
  otherStreams: (MediaStream | null)[];
  isAudioEnabled: boolean;
  isVideoEnabled: boolean;
  /** We hear the other side. */
  isListening: boolean;
  /** The other side takes our sound. */
  isHeard: boolean;
  /** The other side sends sound. */
  isHearing: boolean;
  /** What was typed and cannot be sent yet; at most {@link CHAT_LIMIT}, as many as a robot takes at once. */
  unsentChat: readonly string[];
  /** What a robot says of itself beside the picture; null before, and where a media backend says nothing. */
  robot: ViewerStatus | null;
}

export interface CallOptions {
  brokerUrl: string;
  username?: string | undefined;
  password?: string | undefined;
  /** Who answers: a robot's server id; `multimedia_proxy` when left out. */
  answerer?: string | undefined;
  /** Our name in topics, where the broker's rules want a certain one; else our random MQTT client id. */
  clientId?: string | undefined;
  iceServers?: RTCIceServer[] | undefined;
  /** How many of a robot's cameras to watch, in its order; 1 when left out. */
  cameras?: number | undefined;
  /** The small video of the robot's first camera is enough, where it has one. */
  isSmall?: boolean | undefined;
  /** Limits and delays in milliseconds. */
  connectTimeoutMs?: number | undefined;
  stepTimeoutMs?: number | undefined;
  reconnectInitialMs?: number | undefined;
  reconnectMaximumMs?: number | undefined;
}

export const CHAT_LIMIT = 5;

export interface CallEvents {
  /** What was typed is on its way. */
  onChatSent?: ((text: string) => void) | undefined;
  onMessage?: ((message: BackendMessage) => void) | undefined;
}

export const IDLE: CallState = {
  connectionState: "disconnected",
  mqttConnected: false,
  error: null,
  localStream: null,
  remoteStream: null,
  remoteSound: null,
  otherStreams: [],
  isAudioEnabled: false,
  isVideoEnabled: false,
  isListening: false,
  isHeard: false,
  isHearing: false,
  unsentChat: [],
  robot: null,
};
