import { startTransition, useEffect, useState } from "react";

/** Nothing is idle for so long only on a page that has much to do; then it comes in between. */
const IDLE_LIMIT_MS = 1000;
/** Where the browser does not say when it is idle: Safari, and tests. */
const WAIT_MS = 100;

/** Whether the first step has been shown, and there is time: what nobody presses in the first moment is rendered after it. */
export function useSecondStep(): boolean {
  const [isSecond, setSecond] = useState(false);
  useEffect(() => {
    const go = () => startTransition(() => setSecond(true)); // a press meanwhile is answered first
    if (!("requestIdleCallback" in globalThis)) {
      const timer = setTimeout(go, WAIT_MS);
      return () => clearTimeout(timer);
    }
    const handle = requestIdleCallback(go, { timeout: IDLE_LIMIT_MS });
    return () => cancelIdleCallback(handle);
  }, []);
  return isSecond;
}
