import { useEffect, useState } from "react";

import { parsed } from "../../json";
import type { UseMcpMqtt } from "../../mcp/useMcpMqtt";
import { onceAtATime } from "../../onceAtATime";
import { merged, readEvents, type RobotEvent } from "./events";

const EVENTS = "robot://events";
const MOTION_PICTURE = "robot://motion.jpg";
// A robot in which a lot happens is read this often.
const PAUSE_MS = 200;
const PICTURES_KEPT = 20;
/** JSON-RPC's and MCP's own codes that say nothing of the resource: connection closed, request timed out. */
const OF_THE_CONNECTION = new Set<unknown>([-32000, -32001]);

export interface Activity {
  /** The oldest first. */
  events: readonly RobotEvent[];
  /** Data URLs of pictures of events, by the event's key. */
  pictures: ReadonlyMap<string, string>;
  /** The robot does not show its events to this page. */
  isRefused: boolean;
}

const NOTHING: Activity = { events: [], pictures: new Map(), isRefused: false };

type Mcp = Pick<UseMcpMqtt, "sessionState" | "readResource" | "watchResource">;

/** Follow what happens to a robot; what is known of it stays while it is away. */
export function useEvents(serverId: string | undefined, { sessionState, readResource, watchResource }: Mcp): Activity {
  const [activity, setActivity] = useState(NOTHING);
  const [of, setOf] = useState(serverId);
  if (of !== serverId) {
    setOf(serverId);
    setActivity(NOTHING);
  }
  const open = sessionState === "open";

  useEffect(() => {
    if (!open) return;
    let current = true;
    let stopPicture: (() => void) | null = null;
    // A session begins with all events: the robot may have been restarted.
    let last = 0;
    const read = onceAtATime(async () => {
      try {
        const found = await eventsAfter(readResource, last);
        if (!current || !found) return;
        last = found.last;
        setActivity((before) => ({ ...before, events: merged(before.events, found.events), isRefused: false }));
        if (found.events.some(({ kind }) => kind === "motion")) stopPicture ??= watchResource(MOTION_PICTURE, () => void readPicture());
      } catch (error) {
        if (current && isRefusal(error)) setActivity({ ...NOTHING, isRefused: true });
      }
    }, PAUSE_MS);
    const readPicture = onceAtATime(async () => {
      await read(); // the motion that the picture is of
      try {
        const [content] = (await readResource(MOTION_PICTURE)).contents;
        if (!current || !content || !("blob" in content)) return;
        const picture = `data:image/jpeg;base64,${content.blob}`;
        setActivity((before) => ({ ...before, pictures: withPicture(before, picture) }));
      } catch (error) {
        // Privacy takes it away here too.
        if (current && isRefusal(error)) setActivity((before) => ({ ...before, pictures: NOTHING.pictures }));
      }
    }, PAUSE_MS);
    const stop = watchResource(EVENTS, () => void read());
    return () => {
      current = false;
      stop();
      stopPicture?.();
    };
  }, [open, readResource, watchResource]);

  return activity;
}

/** The picture of the last motion belongs to the newest event that says that one began. */
function withPicture({ events, pictures }: Activity, picture: string): ReadonlyMap<string, string> {
  const event = events.findLast(({ kind, text }) => kind === "motion" && text.startsWith("Motion began"));
  return event ? new Map([...pictures, [event.key, picture] as const].slice(-PICTURES_KEPT)) : pictures;
}

async function eventsAfter(readResource: Mcp["readResource"], last: number): Promise<ReturnType<typeof readEvents>> {
  if (last > 0) {
    try {
      return readEvents(await textAt(readResource, `${EVENTS}?after=${last}`));
    } catch (error) {
      if (!isRefusal(error)) throw error; // a role may read the list of all alone
    }
  }
  return readEvents(await textAt(readResource, EVENTS));
}

async function textAt(readResource: Mcp["readResource"], uri: string): Promise<unknown> {
  const [content] = (await readResource(uri)).contents;
  return content && "text" in content ? parsed(content.text) : undefined;
}

/** An answer of the robot, that is, and not the want of one. */
export function isRefusal(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "number" && !OF_THE_CONNECTION.has(code);
}
