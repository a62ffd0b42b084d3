import { useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import type { CallToolResult, Tool } from "@modelcontextprotocol/sdk/types.js";

import { useText } from "../../../i18n/text";
import { member, shortened } from "../../../json";
import type { Run } from "../../useCalls";
import { canStop, STOP } from "./canStop";
import { StopContext } from "./stop";

interface Props {
  robot: string | undefined;
  tools: Tool[];
  act: Run;
  children: ReactNode;
}

const SHOWN_MS = 6000;
const NAMES_LIMIT = 200;

/**
 * Where a robot can be stopped: by each StopButton in it, and by Ctrl or Cmd with the full stop, wherever the keyboard is.
 */
export function StopArea({ robot, tools, act, children }: Props) {
  const t = useText();
  const isOffered = useMemo(() => canStop(tools), [tools]);
  const [answer, setAnswer] = useState<{ robot: string | undefined; result: CallToolResult } | null>(null);
  const listeners = useRef(new Set<() => void>());
  const presses = useRef(0);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);

  const press = useCallback(() => {
    const number = ++presses.current;
    for (const listener of listeners.current) listener();
    setAnswer(null);
    void act(STOP, {}).then((result) => {
      if (number !== presses.current) return;
      setAnswer({ robot, result });
      clearTimeout(timer.current);
      timer.current = setTimeout(() => setAnswer(null), SHOWN_MS);
    });
  }, [act, robot]);

  useEffect(() => {
    if (!isOffered) return;
    const pressed = (event: KeyboardEvent) => {
      if (event.key !== "." || !(event.ctrlKey || event.metaKey) || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      if (!event.repeat) press();
    };
    // Before anything else on the page: a dialog that is open, a field that is written into.
    addEventListener("keydown", pressed, { capture: true });
    return () => removeEventListener("keydown", pressed, { capture: true });
  }, [isOffered, press]);

  const onPress = useCallback((listener: () => void) => {
    listeners.current.add(listener);
    return () => void listeners.current.delete(listener);
  }, []);

  const outcome = useMemo(() => {
    if (!answer || answer.robot !== robot) return null;
    if (answer.result.isError) return { text: t("stopFailed"), isError: true };
    const names = stoppedNames(answer.result.structuredContent);
    return { text: names ? t("stopped", { names }) : t("stoppedNothing"), isError: false };
  }, [answer, robot, t]);
  const stop = useMemo(() => ({ isOffered, press, outcome, onPress }), [isOffered, press, outcome, onPress]);
  return <StopContext value={stop}>{children}</StopContext>;
}

function stoppedNames(structured: unknown): string {
  const stopped = member(structured, "stopped");
  const names = Array.isArray(stopped) ? stopped.filter((name) => typeof name === "string") : [];
  return shortened(names.join(", "), NAMES_LIMIT);
}
