import { useCallback, useState, useSyncExternalStore } from "react";

import { useConnection } from "./useConnection";
import type { UseWebRTCMqtt } from "./useWebRTCMqtt";
import { WhepPlayer, type WhepOptions } from "./whep";

export interface UseWhepOptions extends WhepOptions {
  /** Watch when mounted. */
  autoConnect: boolean;
}

/**
 * Watch what a media server sends, as {@link useWebRTCMqtt} watches a robot. Nothing goes back: there is nobody to talk
 * or to write to.
 */
export function useWhep({ url, token = "", iceServers, autoConnect, stepTimeoutMs, reconnectInitialMs, reconnectMaximumMs }: UseWhepOptions): UseWebRTCMqtt {
  const [player] = useState(() => new WhepPlayer());
  const state = useSyncExternalStore(player.subscribe, player.getSnapshot);
  // Compared by value: a list written in the caller's render is a new one each time.
  const iceKey = JSON.stringify(iceServers ?? []);
  const connect = useCallback(
    () => player.connect({ url, token, iceServers: JSON.parse(iceKey) as RTCIceServer[], stepTimeoutMs, reconnectInitialMs, reconnectMaximumMs }),
    [player, url, token, iceKey, stepTimeoutMs, reconnectInitialMs, reconnectMaximumMs],
  );
  const disconnect = useCallback(() => player.disconnect(), [player]);
  useConnection(autoConnect, connect, disconnect);
  const refuse = useCallback(() => Promise.reject(new Error("The picture comes from a media server, to which nobody can talk.")), []);
  return {
    ...state,
    isConnecting: state.connectionState === "connecting",
    isConnected: state.connectionState === "connected",
    canTalk: false,
    connect,
    disconnect,
    retryNow: useCallback(() => player.retryNow(), [player]),
    toggleAudio: refuse,
    holdToTalk: refuse,
    toggleVideo: refuse,
    toggleListening: useCallback(() => player.toggleListening(), [player]),
    sendChatMessage: useCallback(() => false, []),
    getStats: useCallback(() => player.peerConnection?.getStats() ?? null, [player]),
  };
}
