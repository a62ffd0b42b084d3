/** Of the build: the page that is shown without a connection to the server. */

import { TEXTS } from "../i18n/all";

/** A face that sleeps. */
const FACE =
  '<svg viewBox="0 0 32 32" aria-hidden="true"><path d="M6 14q4 4 8 0M18 14q4 4 8 0M12 22h8" fill="none" stroke="#96dcff" stroke-width="2" stroke-linecap="round"/></svg>';

/** Its HTML, with the texts of all languages: the script shows one. Files are relative to the page. */
export function offlinePage(script: string, styles: string[]): string {
  const sections = Object.entries(TEXTS).map(
    ([language, { offlineTitle, offlineText, retry, triesAgain }]) => `
      <section lang="${language}"${language === "en" ? "" : " hidden"}>
        <h1>${offlineTitle}</h1>
        <p>${offlineText} ${triesAgain}</p>
        <a href="./">${retry}</a>
      </section>`,
  );
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover" />
    <title>robot-node</title>
    <link rel="icon" type="image/png" sizes="192x192" href="./icon-192.png" />${styles.map((style) => `\n    <link rel="stylesheet" href="./${style}" />`).join("")}
    <script type="module" src="./${script}"></script>
  </head>
  <body>
    <main>
      ${FACE}${sections.join("")}
    </main>
  </body>
</html>
`;
}
