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

/** A button that is held to speak to the robot itself. */
export interface Hold extends Omit<Sound, "press"> {
  /** Null: the robot would not understand; there is no such button. */
  set: ((isHeld: boolean) => void) | null;
}

export interface Talking {
  talk: Sound;
  hold: Hold;
  listen: Sound;
  /** Why one of them has gone out, until it is pressed again, with the browser's or the robot's own words. */
  refusal: { why: Refusal; reason: string } | null;
}

/** Talk and Listen: each goes out again when it is refused, and says why. */
export function useTalk({ call, serverId, status, isReachable, converse }: Options): Talking {
  const [talkingTo, setTalkingTo] = useState<string | null>(null);
  const [isAsking, setAsking] = useState(false);
  const [isHeld, setHeld] = useState(false);
  const [refusal, setRefusal] = useState<Talking["refusal"]>(null);
  const [of, setOf] = useState(serverId);
  if (of !== serverId) {
    setOf(serverId);
    setTalkingTo(null);
    setHeld(false);
    setRefusal(null);
  }
  const { isAudioEnabled, isListening, isConnected, isConnecting, isHeard, error, toggleAudio, holdToTalk } = call;
  const why = talkRefusal(call, status);
  const waits = call.robot?.taken === "waits";
  const isTalking = talkingTo !== null && talkingTo === serverId;
  if (isTalking && (!isAudioEnabled || why !== null)) {
    setTalkingTo(null);
    // Without a refusal: the microphone has gone, or the robot has.
    setRefusal({ why: why ?? (isConnected || isConnecting ? "no-microphone" : "lost"), reason: error?.message ?? "" });
  }
  if (isHeld && why !== null) {
    setHeld(false);
    setRefusal({ why, reason: error?.message ?? "" });
  }
  const isUseless = isAudioEnabled && (why !== null || (!isTalking && !isAsking && !isHeld)); // e.g. allowed after another robot was chosen
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
  const hold = (held: boolean) => {
    if (held === isHeld) return;
    if (!held) {
      setHeld(false);
      void holdToTalk(false);
    } else if (cannotTalk) {
      refuse(cannotTalk);
    } else if (!isReachable) {
      refuse("unreachable");
    } else {
      setRefusal(null);
      setHeld(true);
      converse();
      holdToTalk(true).catch((error: unknown) => {
        setHeld(false);
        refuse(browserRefusal(error), messageOf(error));
      });
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
    talk: { isOn: isTalking, isWaiting: isAsking || (isTalking && (!isHeard || waits)), isUnavailable: cannotTalk !== null, press: () => void pressTalk() },
    hold: {
      isOn: isHeld && isAudioEnabled && isHeard && !waits,
      isWaiting: isHeld && !(isAudioEnabled && isHeard && !waits),
      isUnavailable: cannotTalk !== null || isTalking,
      set: status?.viewers_heard && call.canTalk ? hold : null,
    },
    listen: { isOn: isListening, isWaiting: isListening && !isConnected, isUnavailable: cannotListen !== null, press: pressListen },
    refusal,
  };
}
