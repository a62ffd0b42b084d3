// @vitest-environment jsdom
/** Signing in at a real broker, which lets in one user. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { useState } from "react";
import { flushSync } from "react-dom";
import { createRoot, type Root } from "react-dom/client";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";

import { useMcpMqtt } from "../src/mcp/useMcpMqtt";
import { defaults, type Settings } from "../src/page/settings";
import { SignIn } from "../src/page/signin/SignIn";
import { until } from "./helpers";

const [username, password] = ["anna", "secret"];
let brokerUrl: string;
let broker: ChildProcess;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "signin-"));
  const [passwords, config] = [join(folder, "passwords"), join(folder, "mosquitto.conf")];
  const [port, other] = [await freePort(), await freePort()];
  writeFileSync(passwords, "", { mode: 0o600 });
  execFileSync("mosquitto_passwd", ["-b", passwords, username, password]);
  // Started as root it would become another user, who may not read the file. With WebSocket alone mosquitto 2.0.11 does not start.
  const listeners = [`listener ${other} 127.0.0.1`, `listener ${port} lo`, "protocol websockets"];
  writeFileSync(config, ["user root", ...listeners, `password_file ${passwords}`, ""].join("\n"));
  const path = `${process.env["PATH"]}:/usr/sbin`;
  broker = spawn("mosquitto", ["-c", config], { stdio: "ignore", env: { ...process.env, PATH: path } });
  const ended = new Promise<boolean>((_, reject) => broker.on("exit", () => reject(new Error("mosquitto has ended"))));
  ended.catch(() => undefined);
  while (!(await Promise.race([answers(port), ended])));
  brokerUrl = `ws://127.0.0.1:${port}/mqtt`;
});
afterAll(async () => {
  const ended = new Promise((resolve) => broker.once("close", resolve));
  broker.kill();
  await ended;
  rmSync(folder, { recursive: true });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const answers = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => setTimeout(resolve, 20, false));
    socket.on("connect", () => socket.destroy());
  });

let place: HTMLElement;
let root: Root;
let saved: Settings[];

beforeEach(() => {
  saved = [];
  place = document.body.appendChild(document.createElement("div"));
  root = createRoot(place);
});
afterEach(() => {
  flushSync(() => root.unmount());
  place.remove();
});

function Page({ first }: { first: Partial<Settings> }) {
  const [settings, setSettings] = useState({ ...defaults({ brokerUrl }), ...first });
  const mcp = useMcpMqtt({ brokerUrl, username: settings.username, password: settings.password });
  const save = (changed: Settings) => {
    saved.push(changed);
    setSettings(changed);
  };
  return (
    <SignIn mcp={mcp} settings={settings} save={save} retry={mcp.retryNow} openSettings={() => undefined}>
      <p className="banner">{mcp.connectionState}</p>
    </SignIn>
  );
}

const visit = (first: Partial<Settings> = {}) => flushSync(() => root.render(<Page first={first} />));
const text = (selector: string) => place.querySelector(selector)?.textContent ?? null;
const field = (name: string) => place.querySelector(`input[name=${name}]`) as HTMLInputElement;
const button = () => place.querySelector("button[type=submit]") as HTMLButtonElement;
const form = () => until(() => place.querySelector("form"), "the form");

function type(name: string, value: string) {
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")?.set?.call(field(name), value);
  flushSync(() => field(name).dispatchEvent(new Event("input", { bubbles: true })));
}

function signIn(as: string, secret: string) {
  type("username", as);
  type("password", secret);
  flushSync(() => button().click());
}

test("a broker that wants a password gets a calm form; only a refused attempt is an error; then the page is there", async () => {
  visit();
  await form();
  expect(text("form")).toContain(`The broker at ${brokerUrl} asks who you are.`);
  expect(text("form")).not.toContain("no longer accepts");
  expect(text("[role=alert]")).toBe("");
  expect(place.querySelector(".banner")).toBeNull();
  expect(document.activeElement).toBe(field("username"));
  flushSync(() => button().click()); // nothing to send yet
  expect(saved).toEqual([]);

  const shown = place.querySelector("form");
  signIn(username, "wrong");
  await until(() => text("[role=alert]"), "the refusal");
  expect(text("[role=alert]")).toBe("The broker does not accept this user name or password.");
  expect(place.querySelector("form")).toBe(shown); // it stayed, with what was typed
  expect(field("username").value).toBe(username);

  flushSync(() => (place.querySelector("input[type=checkbox]") as HTMLInputElement).click());
  signIn(username, password);
  expect(text("[role=alert]")).toBe("");
  expect(await until(() => text(".banner"), "the page")).toBe("connected");
  expect(saved.at(-1)).toMatchObject({ username, password, rememberPassword: true });
});

test("a password that was kept and is accepted no longer is said so, calmly", async () => {
  visit({ username, password: "of last year" });
  await form();
  expect(text("form")).toContain("It no longer accepts the password that is kept here.");
  expect(text("[role=alert]")).toBe("");
  expect(document.activeElement).toBe(field("password"));
  signIn(username, "of last year"); // the same again
  await until(() => text("[role=alert]"), "the refusal");
});
