import { useEffect, useState, type RefObject } from "react";

import type { Size } from "./zoom";

export interface FullScreen {
  isFull: boolean;
  /** Enter or leave; a phone is held as the picture is: on its side for a wide one. */
  toggle: (picture: Size) => void;
  /** Of the element: keeps the keyboard in what is seen. */
  onKey: (event: Key) => void;
}

/** What is read of a key that is pressed, whether by React's event or by the browser's. */
export type Key = Pick<KeyboardEvent, "key" | "shiftKey" | "ctrlKey" | "altKey" | "metaKey" | "defaultPrevented" | "preventDefault">;

// Not in TypeScript's library, as Safari has no lock, and older ones no orientation.
type Orientation = { lock?: (to: "landscape" | "portrait") => Promise<void> } | undefined;

/** An element with all that is in it over the whole screen; over the whole window where a browser has no full screen, as on iPhones. */
export function useFullScreen(element: RefObject<HTMLElement | null>): FullScreen {
  const [isFull, setFull] = useState(false);

  useEffect(() => {
    const changed = () => setFull(document.fullscreenElement !== null && document.fullscreenElement === element.current);
    document.addEventListener("fullscreenchange", changed);
    return () => document.removeEventListener("fullscreenchange", changed);
  }, [element]);

  const enter = async (shown: HTMLElement, { width, height }: Size) => {
    try {
      await shown.requestFullscreen({ navigationUI: "hide" });
    } catch {
      shown.popover = "manual";
      shown.showPopover();
      setFull(true);
      return;
    }
    // Refused on what is no phone.
    await (screen.orientation as Orientation)?.lock?.(width >= height ? "landscape" : "portrait").catch(() => undefined);
  };

  const leave = async (shown: HTMLElement) => {
    if (shown.popover === null) return document.exitFullscreen();
    shown.hidePopover();
    shown.popover = null;
    setFull(false);
  };

  const toggle = (picture: Size) => {
    if (element.current) void (isFull ? leave(element.current) : enter(element.current, picture));
  };

  const onKey = (event: Key) => {
    if (!isFull || event.key !== "Tab" || !element.current) return;
    const stops = [...element.current.querySelectorAll<HTMLElement>("button:enabled, input:enabled, select:enabled, [tabindex='0']")];
    const [from, to] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
    if (document.activeElement !== from) return;
    event.preventDefault();
    to?.focus();
  };
  return { isFull, toggle, onKey };
}
