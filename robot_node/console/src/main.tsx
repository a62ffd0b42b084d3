import { createRoot } from "react-dom/client";

import "./page/base.css";
import { registerWorker } from "./installable/register";
import { App } from "./page/App";
import { Boundary } from "./page/Boundary";
import { fetchConfig } from "./page/settings";

const place = document.getElementById("page");
if (place) {
  void fetchConfig().then((served) =>
    createRoot(place).render(
      <Boundary view="robot-node">
        <App served={served} />
      </Boundary>,
    ),
  );
}
registerWorker();
