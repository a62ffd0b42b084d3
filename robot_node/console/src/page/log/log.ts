/** What happened, for a person who looks for a fault. Bounded. */

import { shortened } from "../../json";
import { Store } from "../../mqtt/store";

export const CATEGORIES = ["mqtt", "mcp", "webrtc", "app"] as const;
export type Category = (typeof CATEGORIES)[number];

export interface Entry {
  id: number;
  time: Date;
  category: Category;
  isError: boolean;
  text: string;
}

const KEPT = 500;
const TEXT_LIMIT = 2000;

export class Log extends Store<{ entries: Entry[]; recording: boolean }> {
  private next = 1;

  constructor() {
    super({ entries: [], recording: true });
  }

  add(category: Category, text: string, { isError = false } = {}): void {
    const { entries, recording } = this.getSnapshot();
    if (!recording) return;
    const entry: Entry = { id: this.next++, time: new Date(), category, isError, text: shortened(text, TEXT_LIMIT) };
    this.update({ entries: [...entries.slice(1 - KEPT), entry] });
  }

  record(recording: boolean): void {
    this.update({ recording });
  }

  clear(): void {
    this.update({ entries: [] });
  }
}

export const asText = (entries: Entry[]): string =>
  entries.map(({ time, category, isError, text }) => `${time.toISOString()} ${category}${isError ? " error" : ""}: ${text}`).join("\n");
