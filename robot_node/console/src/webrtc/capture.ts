/** The person's microphone and camera, as the browser hands them out. */

import { CallError } from "./state";

/**
 * Open microphone, camera or both; the browser asks the person the first time.
 *
 * @throws CallError of the problem `media`; its cause is the browser's `DOMException`, whose name says why.
 */
export async function openMedia(audio: boolean, video: boolean): Promise<MediaStream> {
  try {
    // Undefined on pages that are neither https nor of this machine.
    if (!navigator.mediaDevices) throw new DOMException("The browser gives microphone and camera to https pages only.", "SecurityError");
    return await navigator.mediaDevices.getUserMedia({ audio, video });
  } catch (error) {
    throw new CallError("media", error instanceof Error ? error.message : String(error), undefined, { cause: error });
  }
}

export function stopTracks(stream: MediaStream | null): void {
  for (const track of stream?.getTracks() ?? []) {
    track.onended = null;
    track.stop();
  }
}
