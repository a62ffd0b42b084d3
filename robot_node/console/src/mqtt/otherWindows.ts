/** Windows of one browser that would use the same client id: the one that wants it last has it. */

import { member } from "../json";

const CHANNEL = "robot-node.client-id";

export class OtherWindows {
  private readonly channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(CHANNEL);
  private readonly own = Math.random();
  private wantedAt = 0;

  /** `onTaken` is called when another window wants the same `id`. */
  constructor(
    private readonly id: string,
    onTaken: () => void,
    private readonly now: () => number = Date.now,
  ) {
    if (!this.channel) return;
    this.channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      const [at, own] = [member(data, "at"), member(data, "own")];
      if (member(data, "id") !== id || typeof at !== "number" || typeof own !== "number") return;
      // Two that are opened at once both hear of the other: the later one stays.
      if (at > this.wantedAt || (at === this.wantedAt && own > this.own)) onTaken();
    };
  }

  /** Tell the other windows that this one uses the id from now on. */
  claim(): void {
    this.wantedAt = this.now();
    this.channel?.postMessage({ id: this.id, at: this.wantedAt, own: this.own });
  }

  close(): void {
    this.channel?.close();
  }
}
