import { useState } from "react";

import type { UseMcpMqtt } from "../../mcp/useMcpMqtt";
import type { BackendMessage } from "../../webrtc/signaling";
import { useWebRTCMqtt, type UseWebRTCMqtt } from "../../webrtc/useWebRTCMqtt";
import { useWhep } from "../../webrtc/useWhep";
import { whepUrl } from "../../webrtc/whep";
import type { Settings } from "../settings";
import { useConversing, useEndWhenUnused } from "../talk/useConversing";
import { useTalk, type Talking } from "../talk/useTalk";
import { isCapturing, type RobotStatus } from "../status";
import type { Run } from "../useCalls";
import type { Robot } from "../useRobot";
import type { Cameras } from "./useCameras";

interface Options {
  settings: Settings;
  serverId: string | undefined;
  mcp: Pick<UseMcpMqtt, "sessionState" | "connectionState">;
  robot: Pick<Robot, "status" | "isLive">;
  cameras: Cameras;
  act: Run;
  onMessage: (message: BackendMessage) => void;
  onChatSent: (text: string) => void;
}

export interface Watching {
  call: UseWebRTCMqtt;
  /** The status as it is of the camera that is shown large; without the broker as the robot tells it beside the picture. */
  shown: RobotStatus | null;
  /** That camera is on, or soon will be, as far as is known. */
  isOn: boolean;
  switchCamera: (enabled: boolean) => Promise<void>;
  talking: Talking;
  /** Wants a session with the robot: the person is about to write. */
  converse: () => void;
}

/** Watch the robot while its camera is on, and converse with it whether it is or not. */
export function useWatching({ settings, serverId, mcp, robot, cameras, act, onMessage, onChatSent }: Options): Watching {
  const { brokerUrl, username, password, clientId, iceServers, whep } = settings;
  const { sessionState, connectionState } = mcp;
  const { status, isLive } = robot;
  const { states, names, large, argument } = cameras;
  const several = names.length > 1;

  // The picture is wanted while the camera is on. Without the broker nobody knows better: it goes on.
  const [asked, setAsked] = useState(false);
  const [watching, setWatching] = useState(false);
  const cameraOn = !status?.privacy && (asked || isCapturing(status?.camera) || Object.values(states).some(isCapturing));
  const known = sessionState === "open" && (isLive || asked);
  const gone = connectionState === "connected" && (sessionState === "offline" || sessionState === "none");
  // Of two windows with one client id only one watches: the robot would take the other's offer for this one's.
  const taken = connectionState === "taken";
  const wanted = known ? cameraOn : gone || taken ? false : watching;
  if (wanted !== watching) setWatching(wanted);
  const conversing = useConversing(serverId, gone);
  // A media server has the first camera only.
  const url = large === 0 ? whepUrl(whep, serverId) : "";
  const played = useWhep({ url, token: whep.token, iceServers, autoConnect: wanted && url !== "" });
  const called = useWebRTCMqtt({
    brokerUrl,
    username,
    password,
    clientId,
    serverId,
    iceServers,
    cameras: Math.max(1, names.length),
    autoConnect: (wanted || conversing.wish !== null) && url === "",
    onMessage,
    onChatSent,
  });
  useEndWhenUnused(conversing, called.isListening || called.isAudioEnabled);
  const call = url ? played : called;
  const { converse } = conversing;
  const talking = useTalk({ call, serverId, status, isReachable: sessionState === "open", converse });

  // While the broker is away, the robot itself still says beside the picture what is true.
  const told = isLive || !call.robot || !status ? null : { ...status, privacy_error: "", recording: null, motion: {}, detected: [], ...call.robot };
  const shown = ofCamera(isLive ? status : told, large > 0 ? names[large] : undefined);
  const isOn = wanted && (told === null ? !several || asked || isCapturing(shown?.camera) : isCapturing(shown?.camera) && !told.privacy);

  const switchCamera = async (enabled: boolean) => {
    setAsked(enabled);
    await act("control_camera", { enabled, ...argument });
    setAsked(false);
  };
  return { call, shown, isOn, switchCamera, talking, converse };
}

/** The status as it is of another camera than the first. */
const ofCamera = (status: RobotStatus | null, name: string | undefined): RobotStatus | null =>
  status && name !== undefined ? { ...status, camera: status.cameras[name] ?? "off", camera_error: "" } : status;
