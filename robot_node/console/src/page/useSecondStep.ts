import { useEffect, useState } from "react";

/** Whether the first step has been painted: what nobody presses in the first moment is rendered after it. */
export function useSecondStep(): boolean {
  const [isSecond, setSecond] = useState(false);
  useEffect(() => {
    const go = () => setSecond(true);
    // A hidden page has no frames.
    if (document.hidden) return go();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const frame = requestAnimationFrame(() => (timer = setTimeout(go)));
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
    };
  }, []);
  return isSecond;
}
