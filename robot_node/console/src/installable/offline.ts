/** The page without a connection to its server: in the language of the real one, which it becomes as soon as it can. */

import "./offline.css";

const EVERY_MS = 5000;

function keptLanguage(): string {
  try {
    const settings = JSON.parse(localStorage.getItem("robot-node.settings") ?? "{}") as { language?: unknown } | null;
    return String(settings?.language);
  } catch {
    return "";
  }
}

const texts = [...document.querySelectorAll("section")];
const wanted = [keptLanguage(), ...navigator.languages].map((tag) => tag.toLowerCase().split("-")[0]);
const best = wanted.map((language) => texts.find(({ lang }) => lang === language)).find(Boolean) ?? texts[0];
for (const text of texts) text.hidden = text !== best;
document.documentElement.lang = best?.lang ?? "en";

// The link alone would leave the robot's address out.
for (const link of document.querySelectorAll("a")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    location.reload();
  });
}

const look = async () => {
  if (document.visibilityState !== "visible") return;
  const found = await fetch("config.json", { cache: "no-store" }).catch(() => null);
  if (found) location.reload();
};
setInterval(() => void look(), EVERY_MS);
addEventListener("online", () => void look());
document.addEventListener("visibilitychange", () => void look());
