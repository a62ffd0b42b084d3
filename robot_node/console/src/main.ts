/** The page's first script: small, so that the connection comes about while the rest is still being loaded. */

import "./page/base.css";
import { loadTexts } from "./i18n/texts";
import { begin } from "./page/begun";
import { fetchConfig, loadSettings } from "./page/settings";

// What vite.config.ts names in the page's HTML: from now on it has the line for itself.
for (const link of document.querySelectorAll<HTMLLinkElement>("link[rel=next-script]")) link.rel = "modulepreload";

const place = document.getElementById("page");
if (place) {
  // No server says which language it is.
  const { language } = loadSettings({});
  const begun = fetchConfig().then(begin);
  const texts = loadTexts(language);
  // Only now: while the broker is on its way to answer, there is time to evaluate it.
  const page = begun.then(() => import("./page/show"));
  const ready = begun.then(({ ready }) => ready);
  void Promise.all([page, begun, texts, ready]).then(([{ show }, begun]) => show(place, begun));
}
