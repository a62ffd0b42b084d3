/** What a person may set, kept in the browser; the password for the session only, unless asked. */

import { LANGUAGES, preferredLanguage, type Language } from "../i18n/texts";
import { isDocument, member, parsed } from "../json";

export interface Settings {
  brokerUrl: string;
  username: string;
  password: string;
  rememberPassword: boolean;
  /** Empty for random ones. */
  clientId: string;
  iceServers: RTCIceServer[];
  /** Where to watch in place of the robot; only its owner says so, as the page's policy names the server. */
  whep: WhepEndpoint;
  language: Language;
}

/** What `/config.json` says of a WHEP endpoint. */
export interface WhepEndpoint {
  /** `{server_id}` in it stands for the robot's; empty: there is none. */
  url: string;
  token: string;
  /** The only robot that is watched there; empty: every robot. */
  serverId: string;
}

const NO_WHEP: WhepEndpoint = { url: "", token: "", serverId: "" };

/** What `/config.json` holds. */
export interface ServedConfig {
  brokerUrl?: string;
  username?: string;
  iceServers?: RTCIceServer[];
  whep?: WhepEndpoint;
  /** Server id of the robot whose recordings are under `clips/` next to the page. */
  clipsOf?: string;
}

const KEY = "robot-node.settings";
const PASSWORD_KEY = "robot-node.password";

/** The broker next to whoever served the page, on the usual ports of MQTT over WebSocket. */
function brokerBesideUs({ protocol, hostname }: Location): string {
  return protocol === "https:" ? `wss://${hostname}:8084/mqtt` : `ws://${hostname}:8083/mqtt`;
}

/** A path alone is resolved against the origin of the page. */
function absolute(url: string, { protocol, host }: Location): string {
  return url.startsWith("/") ? `${protocol === "https:" ? "wss" : "ws"}://${host}${url}` : url;
}

export function defaults(served: ServedConfig): Settings {
  return {
    brokerUrl: served.brokerUrl ? absolute(served.brokerUrl, location) : brokerBesideUs(location),
    username: served.username ?? "",
    password: "",
    rememberPassword: false,
    clientId: "",
    iceServers: served.iceServers ?? [],
    whep: served.whep ?? NO_WHEP,
    language: preferredLanguage(),
  };
}

/** What was changed here before, over the served defaults. */
export function loadSettings(served: ServedConfig): Settings {
  const kept = readSettings(read(localStorage, KEY));
  const session = read(sessionStorage, PASSWORD_KEY);
  const password = typeof session === "string" ? session : (kept.password ?? "");
  return { ...defaults(served), ...kept, whep: defaults(served).whep, password };
}

/** Keep only what differs from the defaults: a robot that moves takes its visitors with it. */
export function saveSettings(settings: Settings, served: ServedConfig): void {
  const standard = defaults(served);
  const changed = Object.entries(settings).filter(
    ([key, value]) => !["password", "whep"].includes(key) && JSON.stringify(value) !== JSON.stringify(standard[key as keyof Settings]),
  );
  const kept: Partial<Settings> = Object.fromEntries(changed);
  if (settings.rememberPassword) kept.password = settings.password;
  write(localStorage, KEY, kept);
  write(sessionStorage, PASSWORD_KEY, settings.password);
}

export async function fetchConfig(): Promise<ServedConfig> {
  try {
    // Relative to a page that was opened with a user name and password in its URL, fetch refuses.
    const response = await fetch(new URL("config.json", location.origin + location.pathname));
    const config: unknown = response.ok ? await response.json() : {};
    const clipsOf = member(config, "clipsOf");
    return { ...readSettings(config), ...(typeof clipsOf === "string" ? { clipsOf } : {}) };
  } catch {
    return {};
  }
}

/** Read `stun:host:port` and `turn:user:password@host:port` lines. */
export function parseIceServers(lines: string): RTCIceServer[] {
  return lines
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .map((line) => {
      const match = /^(turns?):([^:@]+):([^@]+)@(.+)$/.exec(line);
      if (!match) return { urls: line };
      const [, scheme, user, password, host] = match as unknown as [string, string, string, string, string];
      return { urls: `${scheme}:${host}`, username: decoded(user), credential: decoded(password) };
    });
}

/** The opposite of {@link parseIceServers}. */
export function formatIceServers(servers: RTCIceServer[]): string {
  return servers
    .flatMap(({ urls, username, credential }) =>
      [urls].flat().map((url) => {
        const [scheme, ...rest] = url.split(":");
        return username
          ? `${scheme}:${encoded(username)}:${encoded(credential ?? "")}@${rest.join(":")}`
          : url;
      }),
    )
    .join("\n");
}

/** Percent signs that encode nothing stand for themselves. */
const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

const encoded = (text: string): string => {
  try {
    return encodeURIComponent(text);
  } catch {
    return text; // half a character
  }
};

/** What any JSON holds of settings, of the right kind; others are left out. */
export function readSettings(value: unknown): Partial<Settings> {
  const isText = (field: unknown) => typeof field === "string";
  const isValid: Record<keyof Settings, (field: unknown) => boolean> = {
    brokerUrl: isText,
    username: isText,
    password: isText,
    rememberPassword: (field) => typeof field === "boolean",
    clientId: isText,
    iceServers: (field) => Array.isArray(field) && field.every(isIceServer),
    whep: (field) => isText(member(field, "url")) && isText(member(field, "token")) && isText(member(field, "serverId")),
    language: (field) => typeof field === "string" && Object.hasOwn(LANGUAGES, field),
  };
  const found = Object.entries(isValid).filter(([name, fits]) => fits(member(value, name)));
  return Object.fromEntries(found.map(([name]) => [name, member(value, name)]));
}

function isIceServer(value: unknown): boolean {
  const texts = [member(value, "urls")].flat();
  const credentials = [member(value, "username"), member(value, "credential")];
  return isDocument(value) && texts.length > 0 && [...texts, ...credentials.map((field) => field ?? "")].every((field) => typeof field === "string");
}

/** What is stored under a key; undefined when it is nothing, no JSON, or storage is forbidden. */
export function read(storage: Storage, key: string): unknown {
  try {
    const text = storage.getItem(key);
    // Of an empty one too it would say undefined, but by an exception, for which V8 parses the whole script once more.
    return text ? parsed(text) : undefined;
  } catch {
    return undefined;
  }
}

export function write(storage: Storage, key: string, value: unknown): void {
  try {
    storage.setItem(key, JSON.stringify(value));
  } catch {
    // Storage is forbidden: the settings last as long as the page.
  }
}
