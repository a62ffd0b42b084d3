import { useEffect, useRef } from "react";

import { useWebRTCMqtt } from "../../webrtc/useWebRTCMqtt";
import type { Settings } from "../settings";

interface Props {
  settings: Settings;
  serverId: string;
  /** A picture of it is on the screen; false: no longer. */
  setPlaying: (isPlaying: boolean) => void;
  /** It does not come, or has ended. */
  onFailed: () => void;
}

/** A robot's small video, as long as this is mounted. */
export function LivePicture({ settings, serverId, setPlaying, onFailed }: Props) {
  const { brokerUrl, username, password, clientId, iceServers } = settings;
  const call = useWebRTCMqtt({ brokerUrl, username, password, clientId, serverId, iceServers, isSmall: true, autoConnect: true });
  const video = useRef<HTMLVideoElement>(null);
  const { remoteStream, connectionState } = call;

  useEffect(() => {
    const element = video.current;
    if (!element || !remoteStream) return;
    element.srcObject = remoteStream;
    const handle = element.requestVideoFrameCallback(() => setPlaying(true));
    element.play().catch(() => undefined);
    return () => {
      element.cancelVideoFrameCallback(handle);
      setPlaying(false);
    };
  }, [remoteStream, setPlaying]);
  useEffect(() => {
    if (connectionState === "failed") onFailed();
  }, [connectionState, onFailed]);

  return <video ref={video} className={`rotated-${call.robot?.rotation ?? 0}`} muted autoPlay playsInline aria-hidden="true" />;
}
