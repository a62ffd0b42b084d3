interface TrustedTypes {
  createPolicy: (name: string, rules: { createScriptURL: (url: string) => string }) => { createScriptURL: (url: string) => string };
}

/** Install the service worker, once the page has been loaded. Browsers have it for https and for this machine only; elsewhere nothing is missing. */
export function registerWorker(): void {
  if (!("serviceWorker" in navigator)) return;
  // Not relative: the page's address may have a user name and password in it.
  const url = new URL("sw.js", location.origin + location.pathname).href;
  // The page's policy demands it; Firefox before 148 does not know it.
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  const trusted = trustedTypes?.createPolicy("robot-node", { createScriptURL: (text) => text }).createScriptURL(url) ?? url;
  // A certificate that the browser does not trust, or storage that is forbidden: the page works without.
  const register = () => void navigator.serviceWorker.register(trusted).catch(() => undefined);
  if (document.readyState === "complete") register();
  else addEventListener("load", register);
}
