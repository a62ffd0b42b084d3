/** What a person may set, kept in the browser; the password for the session only, unless asked. */

import { preferredLanguage, type Language } from "../i18n/text";

export interface Settings {
  brokerUrl: string;
  username: string;
  password: string;
  rememberPassword: boolean;
  /** Empty for random ones. */
  clientId: string;
  iceServers: RTCIceServer[];
  language: Language;
}

/** What `/config.json` holds. */
export interface ServedConfig {
  brokerUrl?: string;
  username?: string;
  /** Of the demo only, whose broker lets in its own page and no other. */
  password?: string;
  iceServers?: RTCIceServer[];
}

const KEY = "robot-node.settings";
const PASSWORD_KEY = "robot-node.password";

/** The broker next to whoever served the page, on the usual ports of MQTT over WebSocket. */
function brokerBesideUs({ protocol, hostname }: Location): string {
  return protocol === "https:" ? `wss://${hostname}:8084/mqtt` : `ws://${hostname}:8083/mqtt`;
}

export function defaults(served: ServedConfig): Settings {
  return {
    brokerUrl: served.brokerUrl || brokerBesideUs(location),
    username: served.username ?? "",
    password: served.password ?? "",
    rememberPassword: false,
    clientId: "",
    iceServers: served.iceServers ?? [],
    language: preferredLanguage(),
  };
}

/** What was changed here before, over the served defaults. */
export function loadSettings(served: ServedConfig): Settings {
  const kept = read<Partial<Settings>>(localStorage, KEY) ?? {};
  const password = read<string>(sessionStorage, PASSWORD_KEY) ?? kept.password ?? served.password ?? "";
  return { ...defaults(served), ...kept, password };
}

/** Keep only what differs from the defaults: a robot that moves takes its visitors with it. */
export function saveSettings(settings: Settings, served: ServedConfig): void {
  const standard = defaults(served);
  const changed = Object.entries(settings).filter(
    ([key, value]) => key !== "password" && JSON.stringify(value) !== JSON.stringify(standard[key as keyof Settings]),
  );
  const kept: Partial<Settings> = Object.fromEntries(changed);
  // A served password is another one next time.
  const password = settings.password === standard.password ? null : settings.password;
  if (settings.rememberPassword && password !== null) kept.password = password;
  write(localStorage, KEY, kept);
  write(sessionStorage, PASSWORD_KEY, password);
}

export async function fetchConfig(): Promise<ServedConfig> {
  try {
    const response = await fetch("config.json");
    return response.ok ? ((await response.json()) as ServedConfig) : {};
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
      return { urls: `${scheme}:${host}`, username: decodeURIComponent(user), credential: decodeURIComponent(password) };
    });
}

/** The opposite of {@link parseIceServers}. */
export function formatIceServers(servers: RTCIceServer[]): string {
  return servers
    .flatMap(({ urls, username, credential }) =>
      [urls].flat().map((url) => {
        const [scheme, ...rest] = url.split(":");
        return username
          ? `${scheme}:${encodeURIComponent(username)}:${encodeURIComponent(String(credential))}@${rest.join(":")}`
          : url;
      }),
    )
    .join("\n");
}

export function read<T>(storage: Storage, key: string): T | null {
  try {
    return JSON.parse(storage.getItem(key) ?? "null") as T | null;
  } catch {
    return null; // storage is forbidden, or somebody wrote something else there
  }
}

export function write(storage: Storage, key: string, value: unknown): void {
  try {
    storage.setItem(key, JSON.stringify(value));
  } catch {
    // Storage is forbidden: the settings last as long as the page.
  }
}
