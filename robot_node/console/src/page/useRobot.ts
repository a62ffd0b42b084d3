import { useCallback, useEffect, useMemo, useState } from "react";

import { parsed } from "../json";
import { STATUS_URI } from "../mcp/topics";
import type { UseMcpMqtt } from "../mcp/useMcpMqtt";
import { onceAtATime } from "../onceAtATime";
import { readStatus, statusFields, type RobotStatus } from "./status";

const FACE_EVERY_MS = 1000;
// A face takes a moment to change.
const AFTER_CHANGE_MS = [0, 200, 500];
// A robot that announces changes without end is read this often.
const PAUSE_MS = 50;

export interface Robot {
  /** As far as is known: without a session what was true last; null when nothing was ever known. */
  status: RobotStatus | null;
  /** The status is true now. */
  isLive: boolean;
  /** A picture of the face now, as a data URL; null when it is not known. */
  face: string | null;
  /** The result of a tool says what is true now, before the robot announces it; any JSON. */
  applied: (result: unknown) => void;
}

type Mcp = Pick<UseMcpMqtt, "sessionState" | "firstStatus" | "readResource" | "watchResource" | "callTool">;

/** Follow what is true of a robot. */
export function useRobot(serverId: string | undefined, { sessionState, firstStatus, readResource, watchResource, callTool }: Mcp): Robot {
  const [status, setStatus] = useState<RobotStatus | null>(null);
  const [isLive, setLive] = useState(false);
  const [face, setFace] = useState<string | null>(null);
  const [of, setOf] = useState(serverId);
  if (of !== serverId) {
    setOf(serverId);
    setStatus(null);
    setLive(false);
    setFace(null);
  }
  const open = sessionState === "open";
  const first = useMemo(() => (firstStatus === null ? null : readStatus(parsed(firstStatus))), [firstStatus]);

  useEffect(() => {
    if (!open) return;
    let current = true;
    const read = onceAtATime(async () => {
      const found = await fetchStatus(readResource, callTool);
      if (!current || !found) return;
      setStatus(found);
      setLive(true);
    }, PAUSE_MS);
    const stop = watchResource(STATUS_URI, () => void read());
    return () => {
      current = false;
      stop();
      setLive(false);
    };
  }, [open, readResource, watchResource, callTool]);

  useEffect(() => {
    if (!open) return;
    let current = true;
    const read = onceAtATime(async () => {
      try {
        const [content] = (await readResource("robot://face.png")).contents;
        if (current && content && "blob" in content) setFace(`data:image/png;base64,${content.blob}`);
      } catch {
        // It may not be read, or there is no such picture: the emotion's own picture is shown.
      }
    }, PAUSE_MS);
    let timers: ReturnType<typeof setTimeout>[] = [];
    const stop = watchResource("robot://face.png", () => {
      timers.forEach(clearTimeout);
      timers = AFTER_CHANGE_MS.map((delay) => setTimeout(() => void read(), delay));
    });
    const regularly = setInterval(() => {
      if (document.visibilityState === "visible") void read();
    }, FACE_EVERY_MS);
    return () => {
      current = false;
      stop();
      timers.forEach(clearTimeout);
      clearInterval(regularly);
    };
  }, [open, readResource, watchResource]);

  const applied = useCallback(
    (result: unknown) => setStatus((before) => (before ? { ...before, ...statusFields(result) } : before)),
    [],
  );
  // Until it has been read after the session opened, what came with its opening is the newest.
  if (open && !isLive && first) return { status: first, isLive: true, face, applied };
  return { status, isLive, face, applied };
}

/** Read how a robot is; null when it does not tell. */
export async function fetchStatus(
  readResource: UseMcpMqtt["readResource"],
  callTool: UseMcpMqtt["callTool"],
): Promise<RobotStatus | null> {
  try {
    const [content] = (await readResource(STATUS_URI)).contents;
    const status = content && "text" in content ? readStatus(parsed(content.text)) : null;
    if (status) return status;
  } catch {
    // Who may not read resources may perhaps call the tool.
  }
  try {
    return readStatus((await callTool("get_status", { details: true })).structuredContent);
  } catch {
    return null;
  }
}
