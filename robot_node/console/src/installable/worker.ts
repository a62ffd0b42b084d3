/**
 * The service worker: without a connection to its server, the page is one that says so. It stores nothing else, and
 * answers nothing else: all that comes from a robot or a broker passes it by.
 */

/** Of the build: the files of that page, relative to this one, the page first, and a hash of them. */
declare const SHELL: { files: string[]; version: string };

interface Lasting extends Event {
  waitUntil: (promise: Promise<unknown>) => void;
}
interface Asked extends Event {
  request: Request;
  respondWith: (response: Promise<Response>) => void;
}
/** TypeScript's library for workers cannot be used together with the one for pages. */
interface OfflineWorker {
  registration: { scope: string };
  clients: { claim: () => Promise<void> };
  skipWaiting: () => Promise<void>;
  addEventListener: ((type: "install" | "activate", listener: (event: Lasting) => void) => void) & ((type: "fetch", listener: (event: Asked) => void) => void);
}

const worker = self as unknown as OfflineWorker;
const { scope } = worker.registration;
// Caches belong to the origin: there may be other consoles on it, each in its own folder.
const OURS = `robot-node offline ${scope} `;
const NAME = OURS + SHELL.version;
const files = SHELL.files.map((file) => new URL(file, scope).href);
const pages = ["./", "index.html"].map((file) => new URL(file, scope).href);

const fill = async () => {
  const cache = await caches.open(NAME);
  await cache.addAll(files.map((file) => new Request(file, { cache: "reload" })));
  await worker.skipWaiting();
};

const tidy = async () => {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(OURS) && name !== NAME).map((name) => caches.delete(name)));
  await worker.clients.claim();
};

const stored = async (file: string | undefined) => (file && (await caches.match(file, { cacheName: NAME }))) || Response.error();

worker.addEventListener("install", (event) => event.waitUntil(fill()));
worker.addEventListener("activate", (event) => event.waitUntil(tidy()));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = request.url.replace(/[?#].*/, "");
  if (request.mode === "navigate" && pages.includes(url)) event.respondWith(fetch(request).catch(() => stored(files[0])));
  else if (files.includes(url)) event.respondWith(fetch(request).catch(() => stored(url)));
});

export {};
