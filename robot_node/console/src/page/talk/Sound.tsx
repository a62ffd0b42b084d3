import { useEffect, useRef } from "react";

/** Plays the robot's sound: a video element would wait for a picture, which a camera that is off does not send. */
export function Sound({ stream }: { stream: MediaStream | null }) {
  const audio = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    if (!audio.current) return;
    audio.current.srcObject = stream;
    // Refused while the page has not been touched, which who presses Listen has done.
    if (stream) audio.current.play().catch(() => undefined);
  }, [stream]);
  return <audio ref={audio} autoPlay hidden />;
}
