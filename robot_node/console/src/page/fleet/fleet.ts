/** How the robots are that the page shows small: their states, and pictures of those whose camera is on. Without React. */

import type { Client } from "@modelcontextprotocol/sdk/client/index.js";

import { messageOf } from "../../json";
import { keyOf } from "../../mcp/robots";
import type { ServerAddress } from "../../mcp/topics";
import { Store } from "../../mqtt/store";
import type { RobotStatus } from "../status";
import { Follower } from "./follower";
import { LIVE_LIMIT, LiveChoice } from "./live";
import { failed, FIRST_TURN, nextTurn, succeeded, type Turn } from "./pictures";

/** Robots followed at once: of each, one session, which costs nothing while the robot's state does not change. */
export const FOLLOWED_LIMIT = 24;
/** Sessions that are opened at the same time. */
const OPENING_LIMIT = 4;
/** Who scrolls past many robots does not want them all. */
const SETTLE_MS = 200;
const TICK_MS = 250;

export interface Seen {
  /** As of the last time that it was read; undefined before; null when the robot does not tell. */
  status: RobotStatus | null | undefined;
  /** A data URL; empty when there is none. */
  picture: string;
  /** Why there is no picture of a camera that is on. */
  problem: string;
  /** It is not one of the {@link FOLLOWED_LIMIT}. */
  isBeyondLimit: boolean;
}

export interface FleetState {
  /** By the robot's key. */
  seen: ReadonlyMap<string, Seen>;
  /** Those to be shown live. */
  live: readonly string[];
}

const UNSEEN: Seen = { status: undefined, picture: "", problem: "", isBeyondLimit: false };

/** The parts of the page that show robots; those of the grid come first, and with pictures. */
export type Place = "grid" | "tabs";

export class Fleet extends Store<FleetState> {
  private online = new Map<string, ServerAddress>();
  private readonly inSight: Record<Place, readonly string[]> = { grid: [], tabs: [] };
  private readonly followers = new Map<string, Follower>();
  private readonly turns = new Map<string, Turn>();
  private readonly choice = new LiveChoice();
  /** Those that are live on the screen: they need no pictures. */
  private readonly playing = new Set<string>();
  private pointed = "";
  private liveLimit = LIVE_LIMIT;
  private waiting: (() => void)[] = [];
  private opening = 0;
  private settling: ReturnType<typeof setTimeout> | undefined;
  private ticking: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly openSession: (robot: ServerAddress, onClosed: () => void) => Promise<Client>,
    /** Somebody can see the page. */
    private readonly isVisible: () => boolean,
  ) {
    super({ seen: new Map(), live: [] });
  }

  /** The robots that are online, but for the one that the page has its own session with. */
  setOnline(robots: readonly ServerAddress[]): void {
    this.online = new Map(robots.map((robot) => [keyOf(robot), robot]));
    const { seen } = this.getSnapshot();
    const kept = new Map([...seen].filter(([key]) => this.online.has(key)));
    if (kept.size < seen.size) this.update({ seen: kept });
    for (const key of [...this.turns.keys()]) if (!this.online.has(key)) this.turns.delete(key);
    this.choice.keep((key) => this.online.has(key));
    this.apply();
  }

  /** How many may be live at once, beyond the page's own limit. */
  limitLive(limit: number): void {
    this.liveLimit = Math.min(limit, LIVE_LIMIT);
    this.chooseLive();
  }

  /** The mouse, or the keyboard, has come to a robot of the grid. */
  pointAt(key: string): void {
    this.pointed = key;
    this.chooseLive();
  }

  /** A live picture is on the screen, or no longer. */
  setPlaying(key: string, isPlaying: boolean): void {
    if (isPlaying) this.playing.add(key);
    else this.playing.delete(key);
  }

  /** A robot's video did not come, or ended. */
  liveFailed(key: string): void {
    this.choice.refused(key, performance.now());
    this.chooseLive();
  }

  /** Nobody can see the page any more, or somebody can again. */
  visibilityChanged(): void {
    this.chooseLive();
  }

  /** The robots that a part of the page shows in sight, by their keys. */
  show(place: Place, keys: readonly string[]): void {
    this.inSight[place] = keys;
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.apply(), SETTLE_MS);
  }

  stop(): void {
    this.inSight.grid = this.inSight.tabs = [];
    this.apply();
  }

  private apply(): void {
    clearTimeout(this.settling);
    const { grid, tabs } = this.inSight;
    const inSight = [...new Set([...grid, ...tabs])].filter((key) => this.online.has(key));
    const wanted = inSight.slice(0, FOLLOWED_LIMIT);
    inSight.forEach((key, place) => {
      const isBeyondLimit = place >= FOLLOWED_LIMIT;
      if ((this.getSnapshot().seen.get(key) ?? UNSEEN).isBeyondLimit !== isBeyondLimit) this.see(key, { isBeyondLimit });
    });
    for (const [key, follower] of [...this.followers]) {
      if (wanted.includes(key)) continue;
      this.followers.delete(key);
      follower.stop();
      this.see(key, { picture: "", problem: "" });
    }
    for (const key of wanted) {
      const robot = this.online.get(key);
      if (!robot || this.followers.has(key)) continue;
      const follower: Follower = new Follower({
        open: (onClosed) => this.inTurn(() => this.openSession(robot, onClosed)),
        onStatus: (status) => {
          if (this.followers.get(key) !== follower) return;
          this.see(key, hasPictures(status) ? { status } : { status, picture: "", problem: "" });
        },
      });
      this.followers.set(key, follower);
    }
    this.chooseLive();
    clearInterval(this.ticking);
    if (grid.length) this.ticking = setInterval(() => this.tick(), TICK_MS);
  }

  private chooseLive(): void {
    const { seen, live: before } = this.getSnapshot();
    const inSight = this.isVisible() ? this.inSight.grid.filter((key) => this.followers.has(key)) : [];
    const places = (key: string) => {
      const status = seen.get(key)?.status;
      return hasPictures(status) ? (status?.small_video_places ?? null) : null;
    };
    const live = this.choice.choose({ inSight, pointed: this.pointed, places, limit: this.liveLimit }, performance.now());
    if (live !== before) this.update({ live });
  }

  private tick(): void {
    this.chooseLive();
    if (!this.isVisible()) return;
    const { seen } = this.getSnapshot();
    const wanted = this.inSight.grid.filter(
      (key) => this.followers.get(key)?.isOpen && hasPictures(seen.get(key)?.status) && !this.playing.has(key),
    );
    const key = nextTurn(this.turns, wanted, performance.now());
    const follower = key === null ? undefined : this.followers.get(key);
    if (key !== null && follower) void this.fetchPicture(key, follower);
  }

  private async fetchPicture(key: string, follower: Follower): Promise<void> {
    const before = this.turns.get(key) ?? FIRST_TURN;
    const began = performance.now();
    this.turns.set(key, { ...before, isUnderWay: true });
    let changes: Partial<Seen>;
    let turn: Turn;
    try {
      changes = { picture: await follower.picture(), problem: "" };
      turn = succeeded(began, performance.now());
    } catch (error) {
      changes = { picture: "", problem: messageOf(error, 200) };
      turn = failed(before, performance.now());
    }
    if (this.online.has(key)) this.turns.set(key, turn);
    else this.turns.delete(key);
    if (this.followers.get(key) === follower && hasPictures(this.getSnapshot().seen.get(key)?.status)) this.see(key, changes);
  }

  private see(key: string, changes: Partial<Seen>): void {
    const { seen } = this.getSnapshot();
    if (!this.online.has(key)) return;
    this.update({ seen: new Map(seen).set(key, { ...(seen.get(key) ?? UNSEEN), ...changes }) });
  }

  private async inTurn<T>(job: () => Promise<T>): Promise<T> {
    if (this.opening >= OPENING_LIMIT) await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.opening += 1;
    try {
      return await job();
    } finally {
      this.opening -= 1;
      this.waiting.shift()?.();
    }
  }
}

const hasPictures = (status: RobotStatus | null | undefined): boolean => status?.camera === "on" && !status.privacy;
