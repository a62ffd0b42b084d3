import { useEffect, useRef, useState } from "react";

import { messageOf } from "../../json";
import type { UseMcpMqtt } from "../../mcp/useMcpMqtt";
import type { Clip } from "./clips";
import { fetchClip } from "./fetchClip";

export interface FetchedClip {
  /** Name of the clip that is read, or was read last; empty: none. */
  name: string;
  /** How much of it is here: 0 to 1. */
  progress: number;
  /** Object URL; empty before it is complete. */
  url: string;
  /** Why it is not here. */
  error: string;
}

const NOTHING: FetchedClip = { name: "", progress: 0, url: "", error: "" };

export interface UseFetchedClip {
  fetched: FetchedClip;
  /** Read a clip through the broker; resolves to its object URL, or to nothing when that failed or was ended. */
  get: (clip: Clip) => Promise<string>;
  end: () => void;
}

/** One recording through the broker; the one before makes room. */
export function useFetchedClip(readResource: UseMcpMqtt["readResource"]): UseFetchedClip {
  const [fetched, setFetched] = useState(NOTHING);
  const running = useRef<AbortController>(null);
  const url = useRef("");
  const free = () => {
    running.current?.abort();
    if (url.current) URL.revokeObjectURL(url.current);
    url.current = "";
  };
  useEffect(() => free, []);

  const get = async (clip: Clip) => {
    if (fetched.name === clip.name && fetched.url) return fetched.url;
    free();
    const { signal } = (running.current = new AbortController());
    const { name } = clip;
    const show = (changes: Partial<FetchedClip>) => signal.aborted || setFetched({ ...NOTHING, name, ...changes });
    show({});
    try {
      const whole = await fetchClip(clip, readResource, (progress) => show({ progress }), signal);
      url.current = URL.createObjectURL(whole);
      show({ progress: 1, url: url.current });
      return url.current;
    } catch (error) {
      show({ error: messageOf(error) });
      return "";
    }
  };
  const end = () => {
    free();
    setFetched(NOTHING);
  };
  return { fetched, get, end };
}
