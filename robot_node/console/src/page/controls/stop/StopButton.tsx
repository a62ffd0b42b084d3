import { use, useRef } from "react";

import { useText } from "../../../i18n/text";
import { Icon } from "../../icons";
import { StopContext } from "./stop";
import "./stop.css";

/**
 * Stops everything that moves or sounds on the robot of the StopArea around it; nothing where there is nothing to stop.
 * Never disabled: that the robot is not reached is said when it is pressed.
 */
export function StopButton() {
  const t = useText();
  const { isOffered, press, outcome } = use(StopContext);
  const isDown = useRef(false);
  if (!isOffered) return null;
  return (
    <div className="stop">
      <button
        type="button"
        aria-label={t("stopAll")}
        aria-keyshortcuts="Control+. Meta+."
        title={t("stopAllHint")}
        // At once, not when the finger or the mouse button is up again.
        onPointerDown={({ button }) => {
          if (button !== 0) return;
          isDown.current = true;
          press();
        }}
        // By the keyboard, or by a program that reads the page aloud.
        onClick={({ detail }) => {
          if (detail === 0 || !isDown.current) press();
          isDown.current = false;
        }}
      >
        <Icon name="stop" />
        <span aria-hidden="true">{t("stop")}</span>
      </button>
      <p role="status" className={outcome?.isError ? "outcome problem-text" : "outcome"}>
        {outcome?.text}
      </p>
    </div>
  );
}
