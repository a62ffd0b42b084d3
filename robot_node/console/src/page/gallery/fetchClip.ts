/** A recording through the broker: its chunks, one after the other, joined. */

import type { UseMcpMqtt } from "../../mcp/useMcpMqtt";
import type { Clip } from "./clips";
import { blobOf } from "./photo";

/** What a page takes into memory. */
export const FETCHED_BYTES = 200_000_000;

const MP4 = "video/mp4";

/**
 * Read a clip; `progress` is told from 0 to 1.
 *
 * Rejects when the robot refuses, a chunk is none, or `signal` is aborted.
 */
export async function fetchClip(
  { uri, chunks }: Clip,
  readResource: UseMcpMqtt["readResource"],
  progress: (part: number) => void,
  signal: AbortSignal,
): Promise<Blob> {
  const parts: Blob[] = [];
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    signal.throwIfAborted();
    progress(chunk / chunks);
    const [content] = (await readResource(`${uri}?chunk=${chunk}`)).contents;
    const part = content && "blob" in content ? blobOf(content.blob, MP4) : null;
    if (!part) throw new Error(`${uri}?chunk=${chunk} is no video.`);
    parts.push(part);
  }
  signal.throwIfAborted();
  return new Blob(parts, { type: MP4 });
}
