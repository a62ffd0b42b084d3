import { useId, useMemo, useState } from "react";
import { createPortal } from "react-dom";

import { useText, type TextKey } from "../../../i18n/text";
import { shortened } from "../../../json";
import type { Calls } from "../../useCalls";
import { Arrows } from "./Arrows";
import type { Pads } from "./gamepad";
import { Joystick } from "./Joystick";
import { motorsOf, type Vehicle } from "./motors";
import type { Event } from "./table";
import { useDriver } from "./useDriver";
import "./drive.css";

const CAUSES: Partial<Record<Event, TextKey>> = {
  blur: "droveAway",
  hide: "droveAway",
  lose: "droveLost",
  silence: "droveSilent",
  refuse: "droveRefused",
  ask: "droveAsked",
  stopAll: "droveStopped",
};

interface Props {
  /** Of the tool `drive_motor`. */
  inputSchema: unknown;
  disabled: boolean;
  calls: Pick<Calls, "quietly">;
  /** A question of the robot waits for the person. */
  isAsked: () => boolean;
  /** Where it is shown in a full screen, in place of here; null without one. */
  slot?: HTMLElement | null;
  /** Where gamepads are read; those of the browser by default. */
  pads?: Pads;
}

/** Drive the robot's motors by hand, as long as something is held. */
export function Drive({ inputSchema, disabled, calls, isAsked, slot = null, pads }: Props) {
  const t = useText();
  const id = useId();
  const motors = useMemo(() => motorsOf(inputSchema), [inputSchema]);
  const [key, setKey] = useState("");
  const [percent, setPercent] = useState(50);
  const vehicles = motors?.vehicles ?? [];
  const vehicle = vehicles.find((each) => each.key === key) ?? vehicles[0] ?? null;
  const isUsable = !disabled && motors !== null;
  const { shown, steer } = useDriver({
    calls,
    motors: isUsable ? motors : null,
    vehicle: isUsable ? vehicle : null,
    limit: percent / 100,
    isAsked,
    ...(pads ? { pads } : {}),
  });
  if (!motors || !vehicle) return null;
  const cause = shown.cause && CAUSES[shown.cause];
  const turns = vehicle.motors.length > 1;
  const part = (
    <section className="card drive" aria-label={t("drive")}>
      <h2>{t("drive")}</h2>
      {vehicles.length > 1 && (
        <select aria-label={t("driveWhat")} value={vehicle.key} disabled={disabled} onChange={(event) => setKey(event.target.value)}>
          {vehicles.map((each) => (
            <option key={each.key} value={each.key}>
              {nameOf(each)}
            </option>
          ))}
        </select>
      )}
      <div className="row">
        <label htmlFor={id}>{t("driveSpeed")}</label>
        <input id={id} type="range" min={5} max={100} step={5} value={percent} onChange={(event) => setPercent(Number(event.target.value))} />
        <output htmlFor={id}>{percent} %</output>
      </div>
      <div className="hold">
        <Joystick turns={turns} disabled={disabled} steer={(direction) => steer("stick", direction)} />
        <Arrows
          key={vehicle.key}
          turns={turns}
          disabled={disabled}
          steer={(direction) => steer("arrows", direction)}
          takesKey={slot && ((event) => isForDriving(event, slot))}
        />
      </div>
      <p role="status" className={cause ? "problem-text" : "empty-text"} data-state={shown.state}>
        {cause ? t(cause, { reason: shown.reason }) : t("driveHint")}
      </p>
    </section>
  );
  // One driver, wherever it is shown: it keeps its state, and what is held is let go.
  return slot ? createPortal(part, slot) : part;
}

/** In a full screen the arrow keys drive, unless they move what has the keyboard: a slider, or a picture that is zoomed. */
function isForDriving({ target }: KeyboardEvent, slot: HTMLElement): boolean {
  if (!(target instanceof Element)) return false;
  const isSeen = target === document.body || slot.closest(".video")?.contains(target) === true;
  const movesPicture = slot.dataset["arrows"] === "picture" && !slot.contains(target);
  return isSeen && !movesPicture && !target.matches("input, select, textarea");
}

const nameOf = ({ motors }: Vehicle): string => shortened(motors.join(" + "), 60);
