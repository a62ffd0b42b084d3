import type { ReactNode } from "react";

import { useText } from "../../i18n/text";
import type { UseWebRTCMqtt } from "../../webrtc/useWebRTCMqtt";
import { Icon } from "../icons";

interface Props {
  call: UseWebRTCMqtt;
  isOn: boolean;
  canSwitch: boolean;
  canTakePhoto: boolean;
  showsPicture: boolean;
  switchCamera: (enabled: boolean) => void;
  takePhoto: () => void;
  reportMicrophone: (error: unknown) => void;
  isFull: boolean;
  toggleFull: () => void;
  urgent: ReactNode;
}

/** What a person can do with camera and sound. */
export function Toolbar({ call, isOn, canSwitch, canTakePhoto, showsPicture, switchCamera, takePhoto, reportMicrophone, isFull, toggleFull, urgent }: Props) {
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
      <button
        type="button"
        aria-pressed={call.isListening}
        disabled={!call.isConnected && !call.isListening}
        onClick={call.toggleListening}
      >
        <Icon name="listen" /> <span className="label">{t("listen")}</span>
      </button>
      {call.canTalk && (
        <button
          type="button"
          aria-pressed={call.isAudioEnabled}
          disabled={!call.isConnected && !call.isAudioEnabled}
          onClick={() => void call.toggleAudio().catch(reportMicrophone)}
        >
          <Icon name="talk" /> <span className="label">{t("talk")}</span>
        </button>
      )}
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
