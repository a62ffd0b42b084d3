import { createRoot } from "react-dom/client";

import "./page/base.css";
import { loadTexts } from "./i18n/text";
import { registerWorker } from "./installable/register";
import { App } from "./page/App";
import { Boundary } from "./page/Boundary";
import { fetchConfig, loadSettings } from "./page/settings";

const place = document.getElementById("page");
if (place) {
  // No server says which language it is.
  const { language } = loadSettings({});
  void Promise.all([fetchConfig(), loadTexts(language)]).then(([served]) =>
    createRoot(place).render(
      <Boundary view="robot-node">
        <App served={served} />
      </Boundary>,
    ),
  );
}
registerWorker();
