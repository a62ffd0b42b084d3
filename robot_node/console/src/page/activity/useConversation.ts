import { useCallback, useState } from "react";

import type { BackendMessage } from "../../webrtc/signaling";
import { joined, lineOf, newId, type Line } from "./lines";

export interface UseConversation {
  lines: Line[];
  onMessage: (message: BackendMessage) => void;
  addOwn: (text: string) => void;
}

/** What is heard, said and typed while the page is open. */
export function useConversation(): UseConversation {
  const [lines, setLines] = useState<Line[]>([]);
  const onMessage = useCallback((message: BackendMessage) => {
    const line = lineOf(message);
    if (line) setLines((before) => joined(before, line));
  }, []);
  const addOwn = useCallback((text: string) => setLines((before) => joined(before, { id: newId(), who: "you", text })), []);
  return { lines, onMessage, addOwn };
}
