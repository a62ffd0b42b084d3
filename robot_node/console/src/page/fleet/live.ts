/** Which robots of the grid are shown live, by their small video. Pure: the time is passed in. */

/** Each costs the page two connections, to the broker and to the robot, and the robot a place among its viewers. */
export const LIVE_LIMIT = 8;
/** A robot whose video did not come, or ended, is shown by single pictures for so long. */
export const RETRY_MS = 15_000;

export interface LiveWish {
  /** The robots in sight, in the grid's order. */
  inSight: readonly string[];
  /** The one that the mouse or the keyboard is at, or was last; it goes before all others. */
  pointed: string;
  /** How many more may watch a robot's small video; null: none, its camera is off, or it has no such video. */
  places: (key: string) => number | null;
  /** At most so many. */
  limit: number;
}

export class LiveChoice {
  private readonly refusedUntil = new Map<string, number>();
  private live: readonly string[] = [];

  /** The robots that are to be live now; the same list as before when it has not changed. */
  choose({ inSight, pointed, places, limit }: LiveWish, now: number): readonly string[] {
    const inOrder = inSight.includes(pointed) ? [pointed, ...inSight.filter((key) => key !== pointed)] : inSight;
    const chosen = inOrder.filter((key) => {
      const free = places(key);
      const hasPlace = free !== null && (free > 0 || this.live.includes(key)); // one of those taken is ours
      return hasPlace && (this.refusedUntil.get(key) ?? 0) <= now;
    });
    const live = chosen.slice(0, limit);
    const isSame = live.length === this.live.length && live.every((key) => this.live.includes(key));
    if (!isSame) this.live = live;
    return this.live;
  }

  /** A robot's video did not come, or ended. */
  refused(key: string, now: number): void {
    this.refusedUntil.set(key, now + RETRY_MS);
  }

  /** Forget robots that are no longer online. */
  keep(isOnline: (key: string) => boolean): void {
    for (const key of [...this.refusedUntil.keys()]) if (!isOnline(key)) this.refusedUntil.delete(key);
  }
}
