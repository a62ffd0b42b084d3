import { useEffect, useRef, useState } from "react";

import type { UseWebRTCMqtt } from "../../webrtc/useWebRTCMqtt";
import { useText } from "../../i18n/text";
import { isCapturing, type RobotStatus } from "../status";
import { Noticed } from "./Noticed";
import { overlay } from "./Overlay";
import { Statistics } from "./Statistics";
import { Toolbar } from "./Toolbar";
import type { Cameras } from "./useCameras";
import "./video.css";

interface Props {
  call: UseWebRTCMqtt;
  status: RobotStatus | null;
  /** The camera is on, or soon will be, as far as is known: the broker may be gone, and the picture goes on. */
  isOn: boolean;
  hasCamera: boolean;
  cameras: Cameras;
  switchCamera: (enabled: boolean) => void;
  takePhoto: () => void;
  takingPhoto: boolean;
  reportMicrophone: (error: unknown) => void;
}

/** The live picture, what is known of it, and what a person can do with camera and sound. */
export function Video(props: Props) {
  const { call, status, isOn, hasCamera, switchCamera, takePhoto, takingPhoto, reportMicrophone } = props;
  const { states, large, enlarge } = props.cameras;
  const t = useText();
  const video = useRef<HTMLVideoElement>(null);
  const [painted, setPainted] = useState<MediaStream | null>(null);
  const streams = [call.remoteStream, ...call.otherStreams];
  const remoteStream = streams[large] ?? null;

  useEffect(() => {
    const element = video.current;
    if (!element) return;
    element.srcObject = remoteStream;
    if (!remoteStream) return;
    const handle = element.requestVideoFrameCallback(() => setPainted(remoteStream));
    // Refused while the page has not been touched and there is sound: the picture then waits for the person.
    element.play().catch(() => undefined);
    return () => element.cancelVideoFrameCallback(handle);
  }, [remoteStream]);

  const soundNotes = [
    call.isConnected && call.isAudioEnabled && !call.isHeard && t("notHeard"),
    call.isConnected && call.isListening && !call.isHearing && t("nothingToHear"),
  ].filter(Boolean);
  const showsPicture = isOn && painted !== null && painted === remoteStream;
  const rotated = (place: number) => `rotated-${place === 0 ? (call.robot?.rotation ?? 0) : 0}`; // the status is of the first camera
  return (
    <section className="card video" aria-label={t("camera")}>
      <div className="screen">
        <video ref={video} muted={!call.isListening || large > 0} autoPlay playsInline aria-label={t("livePicture")} className={showsPicture ? rotated(large) : "empty"} />
        {status?.recording === true && (
          <span className="recording" role="status" title={t("recording")}>
            REC
          </span>
        )}
        {large === 0 && isOn && status && <Noticed status={status} />}
        {showsPicture && <Statistics call={call} track={remoteStream?.getVideoTracks()[0]?.id} viewers={status?.viewers ?? null} />}
        {(!showsPicture || call.connectionState === "failed") && (
          <div className="overlay" role="status">
            {overlay(t, call, status, isOn, hasCamera, switchCamera)}
          </div>
        )}
      </div>
      {Object.keys(states).length > 1 && (
        <div className="others" aria-label={t("otherCameras")} role="group">
          {Object.entries(states).map(([name, state], place) =>
            place === large ? null : (
              <button key={name} type="button" aria-label={t("enlargeCamera", { name })} title={t("enlargeCamera", { name })} onClick={() => enlarge(name)}>
                {isCapturing(state) && <Small stream={streams[place] ?? null} className={rotated(place)} muted={place > 0 || !call.isListening} />}
                <span>{name}</span>
              </button>
            ),
          )}
        </div>
      )}
      <Toolbar
        call={call}
        isOn={isOn}
        canSwitch={hasCamera && status?.privacy !== true}
        canTakePhoto={isOn && hasCamera && !takingPhoto}
        showsPicture={showsPicture}
        switchCamera={switchCamera}
        takePhoto={takePhoto}
        reportMicrophone={reportMicrophone}
        enterFullscreen={() => void video.current?.requestFullscreen()}
      />
      <p className="note" role="status">
        {soundNotes.join(" ")}
      </p>
    </section>
  );
}

function Small({ stream, className, muted }: { stream: MediaStream | null; className: string; muted: boolean }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (!video.current) return;
    video.current.srcObject = stream;
    if (stream) video.current.play().catch(() => undefined);
  }, [stream]);
  return <video ref={video} className={className} muted={muted} autoPlay playsInline aria-hidden="true" />;
}
