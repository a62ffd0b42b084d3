// @vitest-environment jsdom
/** Signing in at a real broker, which lets in one user. */
import { useState } from "react";
import { flushSync } from "react-dom";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, expect, inject, test } from "vitest";

import { useMcpMqtt } from "../src/mcp/useMcpMqtt";
import { defaults, type Settings } from "../src/page/settings";
import { SignIn } from "../src/page/signin/SignIn";
import { until } from "./helpers";

const { username, password, href } = new URL(inject("brokerUrl"));
const brokerUrl = href.replace(`${username}:${password}@`, "");

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
