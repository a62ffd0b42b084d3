/** Follows how one robot is, by a session beside the page's own. Without React. */

import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";

import { member } from "../../json";
import { STATUS_URI } from "../../mcp/topics";
import { onceAtATime } from "../../onceAtATime";
import type { RobotStatus } from "../status";
import { fetchStatus } from "../useRobot";
import { PHOTO, pictureIn } from "./pictures";

const REQUEST_MS = 10_000;
/** However often a robot's status changes, it is read as often. */
const PAUSE_MS = 1000;
/** Where changes are not announced to us. */
const POLL_MS = 15_000;
const RETRY_MS = 2000;
const RETRY_MAXIMUM_MS = 60_000;

export interface FollowerEvents {
  /** Open a session; the function is called when it is over. */
  open: (onClosed: () => void) => Promise<Client>;
  /** How the robot is; null when it does not tell. */
  onStatus: (status: RobotStatus | null) => void;
}

export class Follower {
  private client: Client | null = null;
  private isOver = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private poll: ReturnType<typeof setInterval> | undefined;
  private delay = RETRY_MS;

  constructor(private readonly events: FollowerEvents) {
    void this.open();
  }

  get isOpen(): boolean {
    return this.client !== null;
  }

  /** A small picture of the camera, which must be on, as a data URL. */
  async picture(): Promise<string> {
    if (!this.client) throw new Error("There is no session with the robot.");
    return pictureIn((await this.client.callTool({ name: "take_photo", arguments: PHOTO }, undefined, { timeout: REQUEST_MS })) as CallToolResult);
  }

  stop(): void {
    this.isOver = true;
    this.end();
  }

  private async open(): Promise<void> {
    let isClosed = false;
    let client: Client;
    try {
      client = await this.events.open(() => {
        isClosed = true;
        if (this.client) this.again();
      });
    } catch {
      this.again();
      return;
    }
    if (isClosed) this.again();
    else if (this.isOver) client.close().catch(() => undefined);
    else this.follow(client);
  }

  private follow(client: Client): void {
    this.client = client;
    this.delay = RETRY_MS;
    const read = onceAtATime(async () => {
      const status = await fetchStatus(
        (uri) => client.readResource({ uri }, { timeout: REQUEST_MS }),
        async (name, args) => (await client.callTool({ name, arguments: args ?? {} }, undefined, { timeout: REQUEST_MS })) as CallToolResult,
      );
      if (this.client !== client) return;
      if (status === null) clearInterval(this.poll);
      this.events.onStatus(status);
    }, PAUSE_MS);
    // Not by a schema of the SDK, which is loaded apart.
    client.fallbackNotificationHandler = async ({ method, params }) => {
      if (method === "notifications/resources/updated" && member(params, "uri") === STATUS_URI) await read();
    };
    client.subscribeResource({ uri: STATUS_URI }, { timeout: REQUEST_MS }).catch(() => {
      if (this.client === client) this.poll = setInterval(() => void read(), POLL_MS);
    });
    void read();
  }

  private again(): void {
    this.end();
    if (this.isOver) return;
    this.timer = setTimeout(() => void this.open(), this.delay);
    this.delay = Math.min(2 * this.delay, RETRY_MAXIMUM_MS);
  }

  private end(): void {
    const { client } = this;
    this.client = null;
    clearTimeout(this.timer);
    clearInterval(this.poll);
    client?.close().catch(() => undefined);
  }
}
