import { useEffect, useState, type RefObject } from "react";

export interface PictureInPicture {
  isInPicture: boolean;
  /** Null where the browser has none, or has a button of its own. */
  toggle: (() => void) | null;
}

/** The picture in a small window over all others; it closes with the camera. */
export function usePictureInPicture(video: RefObject<HTMLVideoElement | null>, isOn: boolean): PictureInPicture {
  const [isInPicture, setInPicture] = useState(false);

  useEffect(() => {
    const picture = video.current;
    const changed = () => setInPicture(picture !== null && document.pictureInPictureElement === picture);
    picture?.addEventListener("enterpictureinpicture", changed);
    picture?.addEventListener("leavepictureinpicture", changed);
    return () => {
      picture?.removeEventListener("enterpictureinpicture", changed);
      picture?.removeEventListener("leavepictureinpicture", changed);
    };
  }, [video]);

  useEffect(() => {
    if (isInPicture && !isOn) document.exitPictureInPicture().catch(() => undefined);
  }, [isInPicture, isOn]);

  const toggle = () => {
    const changing = isInPicture ? document.exitPictureInPicture() : video.current?.requestPictureInPicture();
    changing?.catch(() => undefined); // The window was closed meanwhile, or the picture is not there yet.
  };
  return { isInPicture, toggle: document.pictureInPictureEnabled ? toggle : null };
}
