import { useEffect } from "react";
import { createRoot } from "react-dom/client";

import { registerWorker } from "../installable/register";
import { App } from "./App";
import type { Begun } from "./begun";
import { Boundary } from "./Boundary";
import { useSecondStep } from "./useSecondStep";

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
  const isSecondStep = useSecondStep();
  useEffect(() => {
    if (isSecondStep) registerWorker();
  }, [isSecondStep]);
  return <App {...begun} />;
}
