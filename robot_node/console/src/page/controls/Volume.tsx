import { useEffect, useRef, useState } from "react";

import { useText } from "../../i18n/text";
import "./controls.css";

interface Props {
  volume: number;
  muted: boolean;
  disabled: boolean;
  set: (changes: { volume?: number; muted?: boolean }) => void;
}

const SETTLED_MS = 150;

/** The robot's loudspeaker. */
export function Volume({ volume, muted, disabled, set }: Props) {
  const t = useText();
  const [dragged, setDragged] = useState<number | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const shown = dragged ?? volume;
  return (
    <section className="card" aria-label={t("volume")}>
      <h2>{t("volume")}</h2>
      <div className="row volume">
        <input
          type="range"
          min={0}
          max={100}
          disabled={disabled}
          aria-label={t("volume")}
          value={shown}
          onChange={(event) => {
            const value = Number(event.target.value);
            setDragged(value);
            clearTimeout(timer.current);
            timer.current = setTimeout(() => {
              set({ volume: value });
              setDragged(null);
            }, SETTLED_MS);
          }}
        />
        <output>{shown}</output>
        <button type="button" aria-pressed={muted} disabled={disabled} onClick={() => set({ muted: !muted })}>
          {t("mute")}
        </button>
      </div>
    </section>
  );
}
