import { useState } from "react";

import { read, write } from "../settings";

const KEY = "robot-node.mirrored";
const MAX_ROBOTS = 200;

/** The robots whose picture is shown mirrored, as they are stored; what is no list of names is nothing. */
export function readMirrored(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string").slice(-MAX_ROBOTS) : [];
}

/** Whether a robot's picture is shown mirrored, and how to change that; kept in the browser. */
export function useMirror(serverId: string): [boolean, () => void] {
  const [isMirrored, setMirrored] = useState(() => readMirrored(read(localStorage, KEY)).includes(serverId));
  const toggle = () => {
    const others = readMirrored(read(localStorage, KEY)).filter((each) => each !== serverId);
    write(localStorage, KEY, readMirrored(isMirrored ? others : [...others, serverId]));
    setMirrored(!isMirrored);
  };
  return [isMirrored, toggle];
}
