/** A real broker and a real simulated robot for all tests: what `robot-node demo` starts. */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    brokerUrl: string;
  }
}

export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const own = new URL("../../../.venv/bin/robot-node", import.meta.url).pathname;
  const command = process.env["ROBOT_NODE"] ?? (existsSync(own) ? own : "robot-node");
  // The documents of jsdom come from http://localhost:3000, and only pages of the server's names may speak MQTT with it.
  const env = { ...process.env, ROBOT_NODE_HTTP__NAME: "localhost" };
  const demo = spawn(command, ["demo", "--scene", "clock"], { stdio: ["ignore", "pipe", "inherit"], env });
  const ended = new Promise<void>((resolve) => demo.on("exit", () => resolve()));
  const page = await new Promise<string>((resolve, reject) => {
    demo.on("error", reject);
    demo.on("exit", () => reject(new Error("robot-node demo ended before it was up")));
    createInterface({ input: demo.stdout }).on("line", (line) => {
      const found = /Open it in a browser: (\S+)/.exec(line);
      if (found?.[1]) resolve(found[1]);
      if (line.startsWith("Ctrl-C")) reject(new Error("robot-node demo serves no page: it is not built"));
    });
  });
  provide("brokerUrl", `${page.replace("http", "ws")}mqtt`);
  return async () => {
    demo.kill("SIGINT");
    await ended;
  };
}
