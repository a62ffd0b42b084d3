import { useEffect, useState } from "react";

import { messageOf } from "../../json";
import type { UseWebRTCMqtt } from "../../webrtc/useWebRTCMqtt";
import type { RobotStatus } from "../status";
import { browserRefusal, listenUnavailable, talkRefusal, talkUnavailable, type Refusal } from "./refusals";

interface Options {
  call: UseWebRTCMqtt;
  serverId: string | undefined;
  status: RobotStatus | null;
  /** The robot can be asked for a session. */
  isReachable: boolean;
  /** Wants a session with the robot. */
  converse: () => void;
}

/** A button that this robot, or this browser, may have no use for. */
export interface Sound {
  isOn: boolean;
  /** Asked for, and not there yet. */
  isWaiting: boolean;
  /** Pressed, it only says why. */
  isUnavailable: boolean;
  press: () => void;
}

export interface Talking {
  talk: Sound;
  listen: Sound;
  /** Why one of them has gone out, until it is pressed again, with the browser's or the robot's own words. */
  refusal: { why: Refusal; reason: string } | null;
}

/** Talk and Listen: each goes out again when it is refused, and says why. */
export function useTalk({ call, serverId, status, isReachable, converse }: Options): Talking {
  const [talkingTo, setTalkingTo] = useState<string | null>(null);
  const [isAsking, setAsking] = useState(false);
  const [refusal, setRefusal] = useState<Talking["refusal"]>(null);
  const [of, setOf] = useState(serverId);
  if (of !== serverId) {
    setOf(serverId);
    setTalkingTo(null);
    setRefusal(null);
  }
  const { isAudioEnabled, isListening, isConnected, isConnecting, isHeard, error, toggleAudio } = call;
  const why = talkRefusal(call, status);
  const isTalking = talkingTo !== null && talkingTo === serverId;
  if (isTalking && (!isAudioEnabled || why !== null)) {
    setTalkingTo(null);
    // Without a refusal: the microphone has gone, or the robot has.
    setRefusal({ why: why ?? (isConnected || isConnecting ? "no-microphone" : "lost"), reason: error?.message ?? "" });
  }
  const isUseless = isAudioEnabled && (why !== null || (!isTalking && !isAsking)); // e.g. allowed after another robot was chosen
  useEffect(() => {
    if (isUseless) void toggleAudio();
  }, [isUseless, toggleAudio]);

  const refuse = (why: Refusal, reason = "") => setRefusal({ why, reason });
  const cannotTalk = talkUnavailable(status);
  const cannotListen = listenUnavailable(status);

  const pressTalk = async () => {
    setRefusal(null);
    if (isAudioEnabled) {
      setTalkingTo(null);
      await toggleAudio();
    } else if (cannotTalk) {
      refuse(cannotTalk);
    } else if (!isReachable) {
      refuse("unreachable");
    } else if (!isAsking) {
      setAsking(true);
      try {
        await toggleAudio();
        setTalkingTo(serverId ?? null);
        converse();
      } catch (error) {
        refuse(browserRefusal(error), messageOf(error));
      } finally {
        setAsking(false);
      }
    }
  };
  const pressListen = () => {
    setRefusal(null);
    if (isListening) call.toggleListening();
    else if (cannotListen) refuse(cannotListen);
    else if (!isReachable && !isConnected) refuse("unreachable");
    else {
      call.toggleListening();
      converse();
    }
  };
  return {
    talk: { isOn: isTalking, isWaiting: isAsking || (isTalking && !isHeard), isUnavailable: cannotTalk !== null, press: () => void pressTalk() },
    listen: { isOn: isListening, isWaiting: isListening && !isConnected, isUnavailable: cannotListen !== null, press: pressListen },
    refusal,
  };
}
