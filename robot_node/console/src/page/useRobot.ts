import { useCallback, useEffect, useState } from "react";

import type { UseMcpMqtt } from "../mcp/useMcpMqtt";

/** Of what `robot://status` holds, what the page shows. */
export interface RobotStatus {
  camera: "off" | "starting" | "on" | "stopping" | "failed";
  camera_error: string;
  privacy: boolean;
  privacy_error: string;
  emotion: string;
  display_error: string;
  volume: number | null;
  muted: boolean | null;
  viewers: number;
}

const FACE_EVERY_MS = 1000;
// A face takes a moment to change.
const AFTER_CHANGE_MS = [0, 200, 500];

export interface Robot {
  /** As far as is known: without a session what was true last; null when nothing was ever known. */
  status: RobotStatus | null;
  /** The status is true now. */
  isLive: boolean;
  /** A picture of the face now, as a data URL; null when it is not known. */
  face: string | null;
  /** The result of a tool says what is true now, before the robot announces it. */
  applied: (changes: Partial<RobotStatus>) => void;
}

type Mcp = Pick<UseMcpMqtt, "sessionState" | "readResource" | "watchResource" | "callTool">;

/** Follow what is true of a robot. */
export function useRobot(serverId: string | undefined, { sessionState, readResource, watchResource, callTool }: Mcp): Robot {
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

  useEffect(() => {
    if (!open) return;
    let current = true;
    const read = async () => {
      const found = await readStatus(readResource, callTool);
      if (!current || !found) return;
      setStatus(found);
      setLive(true);
    };
    const stop = watchResource("robot://status", () => void read());
    return () => {
      current = false;
      stop();
      setLive(false);
    };
  }, [open, readResource, watchResource, callTool]);

  useEffect(() => {
    if (!open) return;
    let current = true;
    const read = async () => {
      try {
        const [content] = (await readResource("robot://face.png")).contents;
        if (current && content && "blob" in content) setFace(`data:image/png;base64,${content.blob}`);
      } catch {
        // It may not be read, or there is no such picture: the emotion's own picture is shown.
      }
    };
    const timers = new Set<ReturnType<typeof setTimeout>>();
    const stop = watchResource("robot://face.png", () => {
      for (const delay of AFTER_CHANGE_MS) timers.add(setTimeout(() => void read(), delay));
    });
    const regularly = setInterval(() => {
      if (document.visibilityState === "visible") void read();
    }, FACE_EVERY_MS);
    return () => {
      current = false;
      stop();
      for (const timer of timers) clearTimeout(timer);
      clearInterval(regularly);
    };
  }, [open, readResource, watchResource]);

  const applied = useCallback(
    (changes: Partial<RobotStatus>) => setStatus((before) => (before ? { ...before, ...changes } : before)),
    [],
  );
  return { status, isLive, face, applied };
}

async function readStatus(
  readResource: UseMcpMqtt["readResource"],
  callTool: UseMcpMqtt["callTool"],
): Promise<RobotStatus | null> {
  try {
    const [content] = (await readResource("robot://status")).contents;
    if (content && "text" in content) return JSON.parse(content.text) as RobotStatus;
  } catch {
    // Who may not read resources may perhaps call the tool.
  }
  try {
    const { structuredContent } = await callTool("get_status");
    return (structuredContent as unknown as RobotStatus | undefined) ?? null;
  } catch {
    return null;
  }
}
