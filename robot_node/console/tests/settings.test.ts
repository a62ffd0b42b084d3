// @vitest-environment jsdom
import { beforeEach, expect, test } from "vitest";

import { defaults, loadSettings, saveSettings } from "../src/page/settings";

const SERVED = { brokerUrl: "wss://broker.example/mqtt", username: "anna", iceServers: [] };

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
});

test("what is changed is kept in the browser, and what is not follows the served defaults", () => {
  saveSettings({ ...defaults(SERVED), username: "ben", language: "zh" }, SERVED);
  const moved = { ...SERVED, brokerUrl: "wss://elsewhere.example/mqtt" };
  expect(loadSettings(moved)).toMatchObject({ username: "ben", language: "zh", brokerUrl: "wss://elsewhere.example/mqtt" });
});

test("the password is kept for the session, for longer only when asked, and no longer when asked no more", () => {
  const secret = { ...defaults(SERVED), password: "secret" };
  saveSettings(secret, SERVED);
  expect(loadSettings(SERVED).password).toBe("secret");
  sessionStorage.clear(); // the browser was closed
  expect(loadSettings(SERVED).password).toBe("");

  saveSettings({ ...secret, rememberPassword: true }, SERVED);
  sessionStorage.clear();
  expect(loadSettings(SERVED)).toMatchObject({ password: "secret", rememberPassword: true });

  saveSettings(secret, SERVED);
  sessionStorage.clear();
  expect(loadSettings(SERVED).password).toBe("");
  expect(JSON.stringify({ ...localStorage })).not.toContain("secret");
});
