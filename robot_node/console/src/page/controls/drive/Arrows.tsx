import { useEffect, useRef, type KeyboardEvent } from "react";

import { useText, type TextKey } from "../../../i18n/text";
import { Icon } from "../../icons";
import type { Direction } from "./motors";

type Arrow = "up" | "left" | "right" | "down";

const ARROWS: Record<Arrow, Direction & { key: string; label: TextKey }> = {
  up: { x: 0, y: 1, key: "ArrowUp", label: "driveAhead" },
  left: { x: -1, y: 0, key: "ArrowLeft", label: "driveLeft" },
  right: { x: 1, y: 0, key: "ArrowRight", label: "driveRight" },
  down: { x: 0, y: -1, key: "ArrowDown", label: "driveBack" },
};
const NAMES = Object.keys(ARROWS) as Arrow[];

interface Props {
  turns: boolean;
  disabled: boolean;
  steer: (direction: Direction) => void;
  /** Whether an arrow key drives that is pressed elsewhere on the page; null: none does. */
  takesKey: ((event: globalThis.KeyboardEvent) => boolean) | null;
}

/** Buttons that are held: with a finger or a mouse, with the space bar; or all of them with the arrow keys. */
export function Arrows({ turns, disabled, steer, takesKey }: Props) {
  const t = useText();
  // By what holds them: several fingers, several keys.
  const held = useRef(new Map<string, Arrow>());
  const change = (by: string, arrow: Arrow | null) => {
    if (arrow ? held.current.get(by) === arrow : !held.current.has(by)) return;
    if (arrow) held.current.set(by, arrow);
    else held.current.delete(by);
    const all = [...new Set(held.current.values())].map((name) => ARROWS[name]);
    steer({ x: all.reduce((sum, { x }) => sum + x, 0), y: all.reduce((sum, { y }) => sum + y, 0) });
  };
  const letGo = (kind = "") => [...held.current.keys()].filter((by) => by.startsWith(kind)).forEach((by) => change(by, null));
  const letAllGo = useRef(letGo);
  useEffect(() => {
    letAllGo.current = letGo;
  });
  // A button that is disabled does not notice that it is released, nor a window in the background.
  useEffect(() => {
    if (disabled) letAllGo.current();
    const blurred = () => letAllGo.current();
    addEventListener("blur", blurred);
    return () => removeEventListener("blur", blurred);
  }, [disabled]);

  // It may be taken away while it is held: the full screen ends.
  useEffect(() => () => letAllGo.current(), []);

  const shown = NAMES.filter((name) => turns || ARROWS[name].x === 0);
  const pressed = useRef<(event: globalThis.KeyboardEvent) => void>(() => undefined);
  useEffect(() => {
    pressed.current = (event) => {
      if (event.type === "keyup") {
        change(`key ${event.key}`, null);
        return;
      }
      const arrow = shown.find((each) => ARROWS[each].key === event.key);
      if (!arrow || disabled || event.ctrlKey || event.altKey || event.metaKey || !takesKey?.(event)) return;
      event.preventDefault();
      if (!event.repeat) change(`key ${event.key}`, arrow);
    };
  });
  const takesKeys = takesKey !== null;
  useEffect(() => {
    if (!takesKeys) return;
    const listener = (event: globalThis.KeyboardEvent) => pressed.current(event);
    document.addEventListener("keydown", listener);
    document.addEventListener("keyup", listener);
    return () => {
      document.removeEventListener("keydown", listener);
      document.removeEventListener("keyup", listener);
    };
  }, [takesKeys]);
  const keyed = (event: KeyboardEvent, name: Arrow | null) => {
    const arrow = shown.find((each) => ARROWS[each].key === event.key) ?? (event.key === " " || event.key === "Enter" ? name : null);
    if (!arrow || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    if (!event.repeat) change(`key ${event.key}`, arrow);
  };
  return (
    <div className="arrows">
      {shown.map((name) => (
        <button
          key={name}
          type="button"
          className={name}
          disabled={disabled}
          aria-label={t(ARROWS[name].label)}
          title={t(ARROWS[name].label)}
          onPointerDown={(event) => {
            if (event.button !== 0) return;
            event.currentTarget.setPointerCapture(event.pointerId);
            change(`pointer ${event.pointerId}`, name);
          }}
          onPointerUp={({ pointerId }) => change(`pointer ${pointerId}`, null)}
          onPointerCancel={({ pointerId }) => change(`pointer ${pointerId}`, null)}
          onLostPointerCapture={({ pointerId }) => change(`pointer ${pointerId}`, null)}
          onKeyDown={(event) => keyed(event, name)}
          onKeyUp={({ key }) => change(`key ${key}`, null)}
          // Keys that are released elsewhere are not noticed here.
          onBlur={() => letGo("key")}
          onContextMenu={(event) => event.preventDefault()}
        >
          <Icon name={name} />
        </button>
      ))}
    </div>
  );
}
