/** With what a connection was tried, for a person who looks for the reason why there is none. Pure. */

import { shortened } from "../json";
import { CallError } from "./state";

/** An ICE server, and why it gave no address; empty when it did, or was never asked. */
export interface TriedServer {
  url: string;
  problem: string;
}

export interface Tried {
  /** Addresses of this browser, e.g. `192.168.1.5 (host, udp)`. */
  local: string[];
  /** Addresses of the other side. */
  remote: string[];
  servers: TriedServer[];
  /** The other side has addresses of its own machine only, which browsers may pass over: Firefox does. */
  onlyLoopback: boolean;
}

interface Address {
  address: string;
  protocol: string;
  type: string;
}

const ADDRESSES_LIMIT = 64;
const NAMED_LIMIT = 6;
/** The server did not answer (W3C WebRTC, 4.8.1.3, errorCode). */
const NO_ANSWER = 701;

/** Takes notes while a connection is tried. */
export class Attempt {
  private readonly local = new Map<string, Address>();
  private readonly remote = new Map<string, Address>();
  private readonly answered = new Set<string>();
  private readonly problems = new Map<string, string>();

  constructor(private readonly iceServers: readonly RTCIceServer[]) {}

  /** A candidate of this browser; `server` is the URL of the ICE server that it comes from. */
  addLocal(candidate: string, server?: string | null): void {
    note(this.local, candidate);
    if (server) this.answered.add(server);
  }

  addRemote(candidate: string): void {
    note(this.remote, candidate);
  }

  /** The candidates that a description holds. */
  addRemoteDescription(sdp: string): void {
    for (const [, candidate] of sdp.matchAll(/^a=(candidate:.+?)\r?$/gm)) note(this.remote, candidate ?? "");
  }

  /** An ICE server that failed, as the browser's event says. */
  addServerError(url: string, code: number, text: string): void {
    if (this.problems.size < ADDRESSES_LIMIT) {
      this.problems.set(url, code === NO_ANSWER ? "no answer" : shortened(`${code} ${text}`.trim(), 100));
    }
  }

  get result(): Tried {
    const servers = this.iceServers.flatMap(({ urls }) => [urls].flat());
    const remote = [...this.remote.values()];
    return {
      local: [...this.local.keys()],
      remote: [...this.remote.keys()],
      servers: servers.map((url) => ({ url, problem: this.answered.has(url) ? "" : (this.problems.get(url) ?? "") })),
      onlyLoopback: remote.length > 0 && remote.every(({ address }) => isLoopback(address)),
    };
  }
}

/** Addresses or servers in one line: the first few by name. */
export function listed(names: readonly string[]): string {
  const more = names.length - NAMED_LIMIT;
  return names.slice(0, NAMED_LIMIT).join(", ") + (more > 0 ? `, +${more}` : "") || "–";
}

export const serverNames = ({ servers }: Tried): string[] =>
  servers.map(({ url, problem }) => shortened(url, 100) + (problem ? ` (${problem})` : ""));

/** All of it in one sentence. */
export const describe = (tried: Tried): string =>
  `Tried: this browser ${listed(tried.local)}; the robot ${listed(tried.remote)}; ICE servers ${listed(serverNames(tried))}.`;

function note(seen: Map<string, Address>, candidate: string): void {
  // RFC 8839, 5.1: foundation, component, transport, priority, address, port, "typ", type
  const [, , protocol, , address, , , type] = shortened(candidate, 500).split(" ");
  if (!protocol || !address || !type || seen.size >= ADDRESSES_LIMIT) return;
  seen.set(`${address} (${type}, ${protocol.toLowerCase()})`, { address, protocol, type });
}

const isLoopback = (address: string): boolean => address.startsWith("127.") || address === "::1";

/** The error of a session for which no path was found. */
export function noPath({ result: tried }: Attempt): CallError {
  return new CallError(tried.onlyLoopback ? "loopback" : "no-path", `No network path leads to the robot. ${describe(tried)}`, tried);
}
