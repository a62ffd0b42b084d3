import { useCallback, useEffect, useState } from "react";

/** A session counts as one of the robot's viewers: others may want its place. */
const UNUSED_MS = 5 * 60_000;

/** A person's wish for a session; each new one begins the time anew. */
export interface Wish {
  robot: string | undefined;
}

export interface Conversing {
  /** A session with the robot is wanted, also while its camera is off; null: not. */
  wish: Wish | null;
  /** The person wants to write, listen or talk. */
  converse: () => void;
  end: () => void;
}

/** Whether a person converses with the robot: until they choose another one, or it is gone. */
export function useConversing(serverId: string | undefined, isGone: boolean): Conversing {
  const [wish, setWish] = useState<Wish | null>(null);
  if (wish && (isGone || wish.robot !== serverId)) setWish(null);
  return {
    wish,
    converse: useCallback(() => setWish({ robot: serverId }), [serverId]),
    end: useCallback(() => setWish(null), []),
  };
}

/** End a conversation some minutes after the last word, if neither microphone nor sound is on. */
export function useEndWhenUnused({ wish, end }: Conversing, isInUse: boolean, unusedMs = UNUSED_MS): void {
  useEffect(() => {
    if (!wish || isInUse) return;
    const timer = setTimeout(end, unusedMs);
    return () => clearTimeout(timer);
  }, [wish, end, isInUse, unusedMs]);
}
