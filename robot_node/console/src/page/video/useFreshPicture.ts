import { useEffect, type RefObject } from "react";

/**
 * Show the newest picture when the page is seen again. Chromium goes on with those that it kept while the tab was
 * hidden: for seconds the picture was a quarter of a second late and more. A stream that is attached anew begins with
 * the next picture; nothing is negotiated.
 */
export function useFreshPicture(video: RefObject<HTMLVideoElement | null>): void {
  useEffect(() => {
    const shown = () => {
      const element = video.current;
      const stream = element?.srcObject;
      // A window of its own was never hidden, and would close.
      if (document.visibilityState !== "visible" || !element || !stream || document.pictureInPictureElement === element) return;
      element.srcObject = null;
      element.srcObject = stream;
      element.play().catch(() => undefined);
    };
    document.addEventListener("visibilitychange", shown);
    return () => document.removeEventListener("visibilitychange", shown);
  }, [video]);
}
