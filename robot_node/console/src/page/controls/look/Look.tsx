import { useMemo, useState } from "react";

import { useText } from "../../../i18n/text";
import { member } from "../../../json";
import type { Run } from "../../useCalls";
import { useDrag } from "../useDrag";
import { afterKey, anglesAt, placeOf, rangesOf, within, type Angles, type Ranges } from "./angles";
import { useLatest } from "./useLatest";
import "./look.css";

export const LOOK = "look_at";
const SENT_MS = 150;

interface Props {
  /** Of the tool `look_at`. */
  inputSchema: unknown;
  disabled: boolean;
  act: Run;
  /** A question of the robot waits for the person: to confirm the call before, say. */
  isAsked: () => boolean;
}

/** Where the robot's head or camera looks: it follows a finger, a mouse, or the arrow keys. */
export function Look({ inputSchema, ...rest }: Props) {
  const ranges = useMemo(() => rangesOf(inputSchema), [inputSchema]);
  return ranges && <Pad ranges={ranges} {...rest} />;
}

function Pad({ ranges, disabled, act, isAsked }: Omit<Props, "inputSchema"> & { ranges: Ranges }) {
  const t = useText();
  // Where it is at first is not known: as servos begin.
  const [chosen, setChosen] = useState<Angles>({ pan: 0, tilt: 0 });
  const at = within(ranges, chosen);
  const look = useLatest(({ pan, tilt }: Angles) => {
    if (isAsked()) return;
    void act(LOOK, { pan, tilt }).then(({ isError, structuredContent }) => {
      const reached = isError ? null : anglesIn(structuredContent);
      // Unless it is on its way elsewhere already.
      if (reached) setChosen((now) => (now.pan === pan && now.tilt === tilt ? reached : now));
    });
  }, SENT_MS);
  const turn = (angles: Angles) => {
    setChosen(angles);
    look(angles);
  };
  const drag = useDrag(disabled, (place) => place && turn(anglesAt(ranges, place.x, place.y)));
  const { x, y } = placeOf(ranges, at);
  const values = t("lookValues", { pan: String(Math.round(at.pan)), tilt: String(Math.round(at.tilt)) });
  return (
    <section className="card look" aria-label={t("look")}>
      <h2>
        {t("look")} <output>{values}</output>
      </h2>
      <div
        className="look-pad"
        role="slider"
        aria-label={t("look")}
        aria-roledescription={t("lookPad")}
        aria-valuemin={ranges.pan.minimum}
        aria-valuemax={ranges.pan.maximum}
        aria-valuenow={at.pan}
        aria-valuetext={values}
        aria-disabled={disabled}
        tabIndex={0}
        onKeyDown={(event) => {
          const next = disabled || event.ctrlKey || event.altKey || event.metaKey ? null : afterKey(ranges, at, event.key, event.shiftKey);
          if (!next) return;
          event.preventDefault();
          turn(next);
        }}
        {...drag}
      >
        <span style={{ left: `${x * 100}%`, top: `${y * 100}%` }} />
      </div>
    </section>
  );
}

function anglesIn(structured: unknown): Angles | null {
  const [pan, tilt] = ["pan", "tilt"].map((name) => member(member(structured, name), "angle"));
  return typeof pan === "number" && typeof tilt === "number" ? { pan, tilt } : null;
}
