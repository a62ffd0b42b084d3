import { useEffect } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./App";
import type { Begun } from "./begun";
import { Boundary } from "./Boundary";

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
  return <App {...begun} />;
}
