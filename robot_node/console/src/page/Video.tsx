import { useEffect, useRef, useState, type ReactNode } from "react";

import type { UseWebRTCMqtt } from "../webrtc/useWebRTCMqtt";
import type { CallError } from "../webrtc/state";
import { listed, serverNames } from "../webrtc/tried";
import { VideoMeter, type VideoStats } from "../webrtc/stats";
import { useText, type TextKey, type Translate } from "../i18n/text";
import { Icon } from "./icons";
import { Noticed } from "./Noticed";
import type { CameraState, RobotStatus } from "./status";

interface Props {
  call: UseWebRTCMqtt;
  status: RobotStatus | null;
  /** The camera is on, or soon will be, as far as is known: the broker may be gone, and the picture goes on. */
  isOn: boolean;
  hasCamera: boolean;
  /** The state of each camera, by name, where there are several. */
  cameras: Record<string, CameraState>;
  /** Which of them is shown large. */
  large: number;
  enlarge: (name: string) => void;
  switchCamera: (enabled: boolean) => void;
  takePhoto: () => void;
  takingPhoto: boolean;
  reportMicrophone: (error: unknown) => void;
}

const PROBLEMS: Record<CallError["problem"], TextKey> = {
  broker: "problemBroker",
  "no-answer": "problemNoAnswer",
  "no-path": "problemNoPath",
  loopback: "problemLoopback",
  lost: "problemLost",
  refused: "problemRefused",
  limit: "videoLimitHint",
  media: "problemMedia",
};

/** The live picture, what is known of it, and what a person can do with camera and sound. */
export function Video(props: Props) {
  const { call, status, isOn, hasCamera, cameras, large, enlarge, switchCamera, takePhoto, takingPhoto, reportMicrophone } = props;
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
        {(!showsPicture || call.connectionState === "failed") && (
          <div className="overlay" role="status">
            {overlay(t, call, status, isOn, hasCamera, switchCamera)}
          </div>
        )}
      </div>
      {Object.keys(cameras).length > 1 && (
        <div className="others" aria-label={t("otherCameras")} role="group">
          {Object.entries(cameras).map(([name, state], place) =>
            place === large ? null : (
              <button key={name} type="button" aria-label={t("enlargeCamera", { name })} title={t("enlargeCamera", { name })} onClick={() => enlarge(name)}>
                {isCapturing(state) && <Small stream={streams[place] ?? null} className={rotated(place)} muted={place > 0 || !call.isListening} />}
                <span>{name}</span>
              </button>
            ),
          )}
        </div>
      )}
      <Statistics call={call} track={remoteStream?.getVideoTracks()[0]?.id} viewers={status?.viewers ?? null} live={showsPicture} />
      <div className="controls">
        <button
          type="button"
          role="switch"
          aria-checked={isOn}
          className="switch"
          disabled={!hasCamera || status?.privacy === true}
          onClick={() => switchCamera(!isOn)}
        >
          <span className="track" aria-hidden="true" />
          {t("camera")}
        </button>
        <button type="button" className="primary" disabled={!isOn || !hasCamera || takingPhoto} onClick={takePhoto}>
          <Icon name="photo" /> {t("photo")}
        </button>
        <span className="spring" />
        <button
          type="button"
          aria-pressed={call.isListening}
          disabled={!call.isConnected && !call.isListening}
          onClick={call.toggleListening}
        >
          <Icon name="listen" /> {t("listen")}
        </button>
        <button
          type="button"
          aria-pressed={call.isAudioEnabled}
          disabled={!call.isConnected && !call.isAudioEnabled}
          onClick={() => void call.toggleAudio().catch(reportMicrophone)}
        >
          <Icon name="talk" /> {t("talk")}
        </button>
        <button
          type="button"
          className="quiet"
          aria-label={t("fullscreen")}
          title={t("fullscreen")}
          disabled={!showsPicture}
          onClick={() => void video.current?.requestFullscreen()}
        >
          <Icon name="fullscreen" />
        </button>
      </div>
      <p className="note" role="status">
        {soundNotes.join(" ")}
      </p>
    </section>
  );
}

export const isCapturing = (camera: CameraState | undefined): boolean => camera === "on" || camera === "starting";

function Small({ stream, className, muted }: { stream: MediaStream | null; className: string; muted: boolean }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (!video.current) return;
    video.current.srcObject = stream;
    if (stream) video.current.play().catch(() => undefined);
  }, [stream]);
  return <video ref={video} className={className} muted={muted} autoPlay playsInline aria-hidden="true" />;
}

function overlay(
  t: Translate,
  call: UseWebRTCMqtt,
  status: RobotStatus | null,
  isOn: boolean,
  hasCamera: boolean,
  switchCamera: (enabled: boolean) => void,
): ReactNode {
  if (isOn && call.connectionState === "failed" && call.error) {
    const { problem, message, tried } = call.error;
    return (
      <>
        <strong>{t(problem === "limit" ? "videoLimit" : "videoFailed")}</strong>
        <p>
          {t(PROBLEMS[problem], { reason: message })} {t("triesAgain")}
        </p>
        {tried && (
          <p className="tried">
            {t("tried", { local: listed(tried.local), remote: listed(tried.remote), servers: listed(serverNames(tried)) })}
          </p>
        )}
        <button type="button" onClick={call.retryNow}>
          {t("retry")}
        </button>
      </>
    );
  }
  if (isOn && status?.camera_error) {
    return (
      <>
        <strong>{t("cameraFailed")}</strong>
        <p>{status.camera_error}</p>
      </>
    );
  }
  if (isOn) {
    return (
      <>
        <span className="spinner" aria-hidden="true" />
        <p>{t(status?.camera === "on" ? "videoConnecting" : "cameraStarting")}</p>
      </>
    );
  }
  if (!status) return <p>{t("waitingForRobot")}</p>;
  if (status.privacy) {
    return (
      <>
        <Icon name="privacy" />
        <strong>{t("privacyEngaged")}</strong>
        <p>
          {t("privacyHint")} {status.privacy_error}
        </p>
      </>
    );
  }
  const failed = status.camera === "failed";
  return (
    <>
      <strong>{t(failed ? "cameraFailed" : "cameraIsOff")}</strong>
      {failed && <p>{status.camera_error}</p>}
      <button type="button" disabled={!hasCamera} onClick={() => switchCamera(true)}>
        <Icon name="camera" /> {t("cameraSwitchOn")}
      </button>
    </>
  );
}

function Statistics({ call, track, viewers, live }: { call: UseWebRTCMqtt; track: string | undefined; viewers: number | null; live: boolean }) {
  const t = useText();
  const [stats, setStats] = useState<VideoStats | null>(null);
  const { getStats, isConnected } = call;

  useEffect(() => {
    if (!isConnected) return;
    const meter = new VideoMeter(track);
    let current = true;
    const look = async () => {
      const report = await getStats();
      if (current && report) setStats(meter.measure([...(report as unknown as Map<string, never>).values()]));
    };
    void look();
    const timer = setInterval(() => void look(), 1000);
    return () => {
      current = false;
      clearInterval(timer);
      setStats(null);
    };
  }, [getStats, isConnected, track]);

  const now = live ? stats : null;
  const figures: [TextKey, string][] = [
    ["statSize", now ? `${now.width} × ${now.height}` : "–"],
    ["statRate", now ? `${now.framesPerSecond.toFixed(0)} fps` : "–"],
    ["statBitrate", now ? `${(now.bitsPerSecond / 1e6).toFixed(2)} Mbit/s` : "–"],
    ["statLatency", now && now.latencyMs !== null ? `${now.latencyMs.toFixed(0)} ms` : "–"],
    ["statLoss", now ? `${(now.loss * 100).toFixed(1)} %` : "–"],
    ["viewers", viewers === null ? "–" : String(viewers)],
  ];
  return (
    <dl className="statistics" aria-label={t("statistics")}>
      {figures.map(([key, value]) => (
        <div key={key} data-figure={key}>
          <dt>{t(key)}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
