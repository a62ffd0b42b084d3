// Lines of JSON: what a viewer tells on standard output, and the robot's signalling messages on standard input.

import { createInterface } from "node:readline";

export const tell = (event, details) => process.stdout.write(`${JSON.stringify({ event, ...details })}\n`);

export const signal = (message) => tell("signal", { message });

export function onSignal(handle) {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => handle(JSON.parse(line)));
  lines.on("close", () => process.exit(0));
}
