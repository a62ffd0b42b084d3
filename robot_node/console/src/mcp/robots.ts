/** The robots that are online; reports of changes are throttled. Without React. */

import { onFirstUse } from "../onFirstUse";
import type { OnlineServer, ServerAddress } from "./topics";

const LIMIT = 5000;
/** A fleet that comes online at once is shown in a few steps, not robot by robot. */
const EVERY_MS = 100;

// Making the first one of a page takes some milliseconds, which a page with one robot need not wait for.
const byName = onFirstUse(() => new Intl.Collator());

export const keyOf = ({ serverId, serverName }: ServerAddress) => `${serverId}/${serverName}`;

export class OnlineRobots {
  private readonly online = new Map<string, OnlineServer>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private changed = false;

  /** `tell` gets the robots ordered by name: at once, and then at most every {@link EVERY_MS}. */
  constructor(private readonly tell: (robots: OnlineServer[]) => void) {}

  has(server: ServerAddress): boolean {
    return this.online.has(keyOf(server));
  }

  /** Beyond {@link LIMIT} robots only one that is `wanted` is added. */
  add(server: OnlineServer, wanted: boolean): void {
    if (!wanted && !this.has(server) && this.online.size >= LIMIT) return;
    this.online.set(keyOf(server), server);
    this.tellSoon();
  }

  delete(server: ServerAddress): void {
    this.online.delete(keyOf(server));
    this.tellSoon();
  }

  /** Forget all, and tell nobody. */
  clear(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.changed = false;
    this.online.clear();
  }

  private tellSoon(): void {
    this.changed = true;
    if (this.timer === undefined) this.tellNow();
  }

  private tellNow(): void {
    this.timer = undefined;
    if (!this.changed) return;
    this.changed = false;
    this.tell([...this.online.values()].sort((a, b) => byName().compare(a.serverName, b.serverName)));
    this.timer = setTimeout(() => this.tellNow(), EVERY_MS);
  }
}
