import { useEffect, useState } from "react";

import { parsed } from "../../json";
import type { UseMcpMqtt } from "../../mcp/useMcpMqtt";
import { onceAtATime } from "../../onceAtATime";
import { isRefusal } from "../activity/useEvents";
import { readClips, type ClipList } from "./clips";

const CLIPS = "robot://clips";
const PAUSE_MS = 500;

export interface Clips extends ClipList {
  /** The robot does not show its recordings to this page. */
  isRefused: boolean;
}

const NONE: Clips = { clips: [], folder: "", isRefused: false };

type Mcp = Pick<UseMcpMqtt, "sessionState" | "readResource" | "watchResource">;

/** Follow a robot's recordings, if it `records`. */
export function useClips(records: boolean, { sessionState, readResource, watchResource }: Mcp): Clips {
  const [clips, setClips] = useState(NONE);
  const open = sessionState === "open" && records;
  useEffect(() => {
    if (!open) return;
    let current = true;
    const read = onceAtATime(async () => {
      try {
        const [content] = (await readResource(CLIPS)).contents;
        const found = content && "text" in content ? readClips(parsed(content.text)) : null;
        if (current && found) setClips({ ...found, isRefused: false });
      } catch (error) {
        if (current && isRefusal(error)) setClips({ ...NONE, isRefused: true });
      }
    }, PAUSE_MS);
    const stop = watchResource(CLIPS, () => void read());
    return () => {
      current = false;
      stop();
    };
  }, [open, readResource, watchResource]);
  return clips;
}
