import { useCallback, useEffect, useState, useSyncExternalStore } from "react";

import { Call } from "./call";
import type { BackendMessage } from "./signaling";
import type { CallOptions, CallState } from "./state";
import { useConnection } from "./useConnection";

export interface UseWebRTCMqttOptions extends Omit<CallOptions, "answerer"> {
  /** Whom to call: a robot's server id; without it the broker's `multimedia_proxy`. */
  serverId?: string | undefined;
  /** Call when mounted; false by default. */
  autoConnect?: boolean;
  /** What the other side heard. */
  onASRResponse?: (results: string) => void;
  /** The next piece of what the other side says. */
  onTTSText?: (text: string, taskId: string) => void;
  /** A text of `sendChatMessage` is on its way. */
  onChatSent?: (text: string) => void;
  /** Every message of `$message/...`. */
  onMessage?: (message: BackendMessage) => void;
}

export interface UseWebRTCMqtt extends CallState {
  isConnecting: boolean;
  isConnected: boolean;
  /** The other side could take our sound, and what we write. */
  canTalk: boolean;
  connect: () => void;
  disconnect: () => void;
  retryNow: () => void;
  /** Our microphone on or off; rejects when the browser or the person refuses it. */
  toggleAudio: () => Promise<void>;
  /** Our microphone on while a button is held, for the robot's speech recognition alone; rejects likewise. */
  holdToTalk: (isHeld: boolean) => Promise<void>;
  /** Our camera on or off; rejects when the browser or the person refuses it. */
  toggleVideo: () => Promise<void>;
  /** The other side's sound on or off. */
  toggleListening: () => void;
  /** Send a text as soon as the other side can receive it; false when too many wait already. */
  sendChatMessage: (text: string) => boolean;
  /** The browser's own statistics of the session; null without one. */
  getStats: () => Promise<RTCStatsReport> | null;
}

/**
 * Watch a robot, and talk to it, in a React page. Signalling has an MQTT connection of its own, as client
 * `webrtc_client_<random>`. A lost session is called again after 1 s, then 2, 4, ... On unmount tracks are stopped,
 * the session is closed, the other side is told, and the MQTT client disconnects.
 */
export function useWebRTCMqtt(options: UseWebRTCMqttOptions): UseWebRTCMqtt {
  const { brokerUrl, username, password, serverId, clientId, autoConnect = false, iceServers, cameras, isSmall } = options;
  const { connectTimeoutMs, stepTimeoutMs, reconnectInitialMs, reconnectMaximumMs } = options;
  const { onASRResponse, onTTSText, onChatSent, onMessage } = options;
  const [call] = useState(() => new Call());
  const state = useSyncExternalStore(call.subscribe, call.getSnapshot);
  // Compared by value: a list written in the caller's render is a new one each time.
  const iceKey = JSON.stringify(iceServers ?? []);

  const connect = useCallback(
    () =>
      call.connect({
        brokerUrl,
        username,
        password,
        answerer: serverId,
        clientId,
        iceServers: JSON.parse(iceKey) as RTCIceServer[],
        cameras,
        isSmall,
        connectTimeoutMs,
        stepTimeoutMs,
        reconnectInitialMs,
        reconnectMaximumMs,
      }),
    [call, brokerUrl, username, password, serverId, clientId, iceKey, cameras, isSmall, connectTimeoutMs, stepTimeoutMs, reconnectInitialMs, reconnectMaximumMs],
  );
  const disconnect = useCallback(() => call.disconnect(), [call]);
  const retryNow = useCallback(() => call.retryNow(), [call]);
  const toggleAudio = useCallback(() => call.toggleAudio(), [call]);
  const holdToTalk = useCallback((isHeld: boolean) => call.holdToTalk(isHeld), [call]);
  const toggleVideo = useCallback(() => call.toggleVideo(), [call]);
  const toggleListening = useCallback(() => call.toggleListening(), [call]);
  const sendChatMessage = useCallback((text: string) => call.sendChatMessage(text), [call]);
  const getStats = useCallback(() => call.peerConnection?.getStats() ?? null, [call]);

  useEffect(() => {
    call.setEvents({
      onChatSent,
      onMessage: (message) => {
        if (message.type === "asr_response") onASRResponse?.(message.results);
        if (message.type === "tts_text") onTTSText?.(message.text, message.task_id);
        onMessage?.(message);
      },
    });
  }, [call, onASRResponse, onTTSText, onChatSent, onMessage]);
  useConnection(autoConnect, connect, disconnect);

  return {
    ...state,
    isConnecting: state.connectionState === "connecting",
    isConnected: state.connectionState === "connected",
    canTalk: true,
    connect,
    disconnect,
    retryNow,
    toggleAudio,
    holdToTalk,
    toggleVideo,
    toggleListening,
    sendChatMessage,
    getStats,
  };
}
