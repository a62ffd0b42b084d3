import { useEffect, useRef } from "react";

import { useText } from "../../i18n/text";
import { Icon } from "../icons";
import type { Hold } from "./useTalk";

/** Held with a finger, the mouse, the space bar or Enter, what is said goes to the robot itself; let go, the microphone is off. */
export function HoldButton({ hold: { isOn, isWaiting, isUnavailable, set } }: { hold: Hold }) {
  const t = useText();
  const letGo = useRef(() => undefined as void);
  useEffect(() => {
    letGo.current = () => set?.(false);
  });
  // Where another window is in front, or this one is gone, nobody notices that it is let go.
  useEffect(() => {
    const left = () => letGo.current();
    addEventListener("blur", left);
    return () => {
      removeEventListener("blur", left);
      left();
    };
  }, []);
  if (!set) return null;
  const isKey = (key: string) => key === " " || key === "Enter";
  return (
    <button
      type="button"
      className="hold-to-talk"
      aria-pressed={isOn}
      aria-busy={isWaiting}
      disabled={isUnavailable && !isOn && !isWaiting}
      title={t("holdHint")}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        set(true);
      }}
      onPointerUp={() => set(false)}
      onPointerCancel={() => set(false)}
      onLostPointerCapture={() => set(false)}
      onKeyDown={(event) => {
        if (!isKey(event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
        event.preventDefault();
        if (!event.repeat) set(true);
      }}
      onKeyUp={({ key }) => isKey(key) && set(false)}
      onBlur={() => set(false)}
      onContextMenu={(event) => event.preventDefault()}
    >
      <Icon name="talk" /> <span className="label">{t("holdToTalk")}</span>
    </button>
  );
}
