import { useEffect } from "react";
import { createRoot } from "react-dom/client";

import { registerWorker } from "../installable/register";
import { App } from "./App";
import type { Begun } from "./begun";
import { Boundary } from "./Boundary";

/** A browser that starts the service worker would do so while the page is loading, in place of it. */
const WORKER_AFTER_MS = 2000;

/** Show the page. */
export function show(place: Element, begun: Begun): void {
  createRoot(place).render(
    <Boundary view="robot-node">
      <Page begun={begun} />
    </Boundary>,
  );
}

function Page({ begun }: { begun: Begun }) {
  useEffect(() => begun.handOver(), [begun]);
  useEffect(() => {
    const timer = setTimeout(registerWorker, WORKER_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  return <App {...begun} />;
}
