import type { ReactNode } from "react";

import { useText } from "../../i18n/text";
import type { UseWebRTCMqtt } from "../../webrtc/useWebRTCMqtt";
import { Icon } from "../icons";
import { HoldButton } from "../talk/HoldButton";
import { SoundButton } from "../talk/SoundButton";
import type { Talking } from "../talk/useTalk";

interface Props {
  call: UseWebRTCMqtt;
  isOn: boolean;
  canSwitch: boolean;
  canTakePhoto: boolean;
  showsPicture: boolean;
  switchCamera: (enabled: boolean) => void;
  takePhoto: () => void;
  talking: Talking;
  isFull: boolean;
  toggleFull: () => void;
  urgent: ReactNode;
}

/** What a person can do with camera and sound. */
export function Toolbar({ call, isOn, canSwitch, canTakePhoto, showsPicture, switchCamera, takePhoto, talking, isFull, toggleFull, urgent }: Props) {
  const t = useText();
  return (
    <div className="toolbar">
      <button
        type="button"
        role="switch"
        aria-checked={isOn}
        className="switch"
        disabled={!canSwitch}
        onClick={() => switchCamera(!isOn)}
      >
        <span className="track" aria-hidden="true" />
        {t("camera")}
      </button>
      <button type="button" className="primary" disabled={!canTakePhoto} onClick={takePhoto}>
        <Icon name="photo" /> {t("photo")}
      </button>
      <span className="spring" />
      <SoundButton name="listen" sound={talking.listen} />
      {call.canTalk && <SoundButton name="talk" sound={talking.talk} />}
      <HoldButton hold={talking.hold} />
      {urgent}
      <button
        type="button"
        className="quiet"
        aria-label={t(isFull ? "fullscreenLeave" : "fullscreen")}
        title={`${t(isFull ? "fullscreenLeave" : "fullscreen")} (f)`}
        disabled={!showsPicture && !isFull}
        onClick={toggleFull}
      >
        <Icon name={isFull ? "leave" : "fullscreen"} />
      </button>
    </div>
  );
}
