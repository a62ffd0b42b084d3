import { useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from "react";

import type { UseWebRTCMqtt } from "../../webrtc/useWebRTCMqtt";
import { useText } from "../../i18n/text";
import { isCapturing, type RobotStatus } from "../status";
import { Sound } from "../talk/Sound";
import { useSoundNote } from "../talk/useSoundNote";
import type { Talking } from "../talk/useTalk";
import { Noticed } from "./Noticed";
import { overlay } from "./Overlay";
import { Statistics } from "./Statistics";
import { Toolbar } from "./Toolbar";
import type { Cameras } from "./useCameras";
import { useFreshPicture } from "./useFreshPicture";
import { useFullScreen, type Key } from "./useFullScreen";
import { useMirror } from "./useMirror";
import { usePictureInPicture } from "./usePictureInPicture";
import { useZoom } from "./useZoom";
import { ViewTools } from "./ViewTools";
import "./video.css";
import "./view.css";

interface Props {
  call: UseWebRTCMqtt;
  serverId: string;
  status: RobotStatus | null;
  /** The camera is on, or soon will be, as far as is known: the broker may be gone, and the picture goes on. */
  isOn: boolean;
  hasCamera: boolean;
  cameras: Cameras;
  switchCamera: (enabled: boolean) => void;
  /** Whether there is one more. */
  takePhoto: () => Promise<boolean>;
  takingPhoto: boolean;
  talking: Talking;
  /** What has to be in sight when the picture takes the whole screen: the stop button, and what has gone wrong. */
  urgent?: ReactNode;
  /** Gets the element where the drive controls are shown while the picture takes the whole screen. */
  driveSlot?: (element: HTMLElement | null) => void;
}

/** The live picture, what is known of it, and what a person can do with camera and sound. */
export function Video(props: Props) {
  const { call, serverId, status, isOn, hasCamera, switchCamera, takePhoto, takingPhoto, talking, urgent, driveSlot } = props;
  const { states, large, enlarge } = props.cameras;
  const t = useText();
  const section = useRef<HTMLElement>(null);
  const lens = useRef<HTMLDivElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const [painted, setPainted] = useState<MediaStream | null>(null);
  const soundNote = useSoundNote(call, talking, status);
  const [flashes, setFlashes] = useState(0);
  const streams = [call.remoteStream, ...call.otherStreams];
  const remoteStream = streams[large] ?? null;

  useEffect(() => {
    const element = video.current;
    if (!element) return;
    element.srcObject = remoteStream;
    if (!remoteStream) return;
    const handle = element.requestVideoFrameCallback(() => setPainted(remoteStream));
    element.play().catch(() => undefined);
    return () => element.cancelVideoFrameCallback(handle);
  }, [remoteStream]);

  const showsPicture = isOn && painted !== null && painted === remoteStream;
  const rotation = (place: number) => (place === 0 ? (call.robot?.rotation ?? 0) : 0); // the status is of the first camera
  const rotated = (place: number) => `rotated-${rotation(place)}`;

  const isOnItsSide = rotation(large) % 180 !== 0;
  const zoom = useZoom(lens, video, isOnItsSide, large);
  useFreshPicture(video);
  const mirror = useMirror(serverId);
  const pictureInPicture = usePictureInPicture(video, isOn);
  const fullScreen = useFullScreen(section);
  const toggleFull = () => {
    const { videoWidth: width = 0, videoHeight: height = 0 } = video.current ?? {};
    fullScreen.toggle(isOnItsSide ? { width: height, height: width } : { width, height });
  };
  const onScreenKey = (event: Key): boolean => {
    fullScreen.onKey(event);
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return true;
    if (event.key === "f" && (showsPicture || fullScreen.isFull)) toggleFull();
    else if (event.key === "Escape" && fullScreen.isFull) toggleFull(); // The browser's own full screen ends without it.
    else return false;
    event.preventDefault();
    return true;
  };
  const onKey = (event: KeyboardEvent) => {
    if (!onScreenKey(event) && showsPicture && zoom.onKey(event.key)) event.preventDefault();
  };
  // React has the drive controls elsewhere: their keys do not come to this section by it.
  const slot = useRef<HTMLDivElement>(null);
  const latest = useRef(onScreenKey);
  useEffect(() => {
    latest.current = onScreenKey;
  });
  useEffect(() => {
    const element = slot.current;
    if (!element || !driveSlot) return;
    const pressed = (event: globalThis.KeyboardEvent) => void latest.current(event);
    element.addEventListener("keydown", pressed);
    driveSlot(element);
    return () => {
      element.removeEventListener("keydown", pressed);
      driveSlot(null);
    };
  }, [fullScreen.isFull, driveSlot]);
  const { scale, x, y } = zoom.view;
  return (
    <section
      ref={section}
      className={`card video${mirror[0] ? " mirrored" : ""}${fullScreen.isFull ? " full" : ""}`}
      aria-label={t("camera")}
      onKeyDown={onKey}
    >
      <div
        className="screen"
        role="group"
        aria-label={t("picture")}
        aria-keyshortcuts="+ - 0 f"
        tabIndex={showsPicture ? 0 : undefined}
      >
        <div
          ref={lens}
          className={zoom.isZoomed ? "lens zoomed" : "lens"}
          onDoubleClick={showsPicture ? toggleFull : undefined}
          {...zoom.onPointer}
        >
          <div className="zoom" style={{ transform: `translate(${x * 100}%, ${y * 100}%) scale(${scale})` }}>
            <video ref={video} muted autoPlay playsInline aria-label={t("livePicture")} className={showsPicture ? rotated(large) : "empty"} />
          </div>
        </div>
        {status?.recording === true && (
          <span className="recording" role="status" title={t("recording")}>
            REC
          </span>
        )}
        {large === 0 && isOn && status && <Noticed status={status} />}
        {showsPicture && <Statistics call={call} track={remoteStream?.getVideoTracks()[0]?.id} viewers={status?.viewers ?? null} />}
        {flashes > 0 && <span key={flashes} className="flash" aria-hidden="true" />}
        {showsPicture && <ViewTools zoom={zoom} mirror={mirror} pictureInPicture={pictureInPicture} />}
        {fullScreen.isFull && <div ref={slot} className="drive-slot" data-arrows={zoom.isZoomed ? "picture" : "drive"} />}
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
                {isCapturing(state) && <Small stream={streams[place] ?? null} className={rotated(place)} />}
                <span>{name}</span>
              </button>
            ),
          )}
        </div>
      )}
      <Toolbar
        call={call}
        isOn={isOn}
        canSwitch={hasCamera && status !== null && !status.privacy}
        canTakePhoto={isOn && hasCamera && !takingPhoto}
        showsPicture={showsPicture}
        switchCamera={switchCamera}
        talking={talking}
        takePhoto={() => void takePhoto().then((isTaken) => isTaken && setFlashes((count) => count + 1))}
        isFull={fullScreen.isFull}
        toggleFull={toggleFull}
        urgent={fullScreen.isFull && urgent}
      />
      <Sound stream={call.isListening ? call.remoteSound : null} />
      <p className="note" role="status">
        {soundNote}
      </p>
    </section>
  );
}

function Small({ stream, className }: { stream: MediaStream | null; className: string }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (!video.current) return;
    video.current.srcObject = stream;
    if (stream) video.current.play().catch(() => undefined);
  }, [stream]);
  return <video ref={video} className={className} muted autoPlay playsInline aria-hidden="true" />;
}
