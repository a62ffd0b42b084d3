import { describe, expect, test } from "vitest";

import { TEXTS } from "../src/i18n/all";
import { LANGUAGES, loadTexts, preferredLanguage, translator, type Language, type TextKey } from "../src/i18n/text";

const { en } = TEXTS;
const KEYS = Object.keys(en) as TextKey[];
const OTHERS = (Object.keys(LANGUAGES) as Language[]).filter((language) => language !== "en");
/** Texts that a language has in common with English: words of both, and what is no language at all. */
const SAME: Partial<Record<Language, TextKey[]>> = {
  de: ["online", "offline", "text", "optional", "emotion_neutral"],
  zh: ["iceHint"],
};
const places = (text: string) => (text.match(/\{\w*\}/g) ?? []).sort();

test("the language is the first of the browser's that we have, and English without", () => {
  expect(preferredLanguage(["fr", "zh-TW", "en"])).toBe("zh");
  expect(preferredLanguage(["de-AT", "en"])).toBe("de");
  expect(preferredLanguage(["DE"])).toBe("de");
  expect(preferredLanguage(["fr", "den", "constructor"])).toBe("en"); // den: Slavey
  expect(preferredLanguage([])).toBe("en");
});

test("places in a text are filled, and those that nothing is known for stay", async () => {
  expect(translator("de")("robotOffline", { robot: "a" })).toBe("a is offline."); // as long as German is not there
  await loadTexts("de");
  expect(translator("en")("robotOffline", { robot: "a/b" })).toBe("a/b is offline.");
  expect(translator("de")("robotOffline", { robot: "$&" })).toBe("$& ist offline.");
  expect(translator("en")("robotOffline")).toBe("{robot} is offline.");
});

describe.each(OTHERS)("every text is there in %s", (language) => {
  const texts = TEXTS[language];

  test("under the keys of the English ones, and none is empty", () => {
    expect(Object.keys(texts).sort()).toEqual([...KEYS].sort());
    for (const key of KEYS) expect(texts[key].trim(), key).not.toBe("");
  });

  test("with the same places for names and reasons", () => {
    for (const key of KEYS) expect(places(texts[key]), key).toEqual(places(en[key]));
  });

  test("translated", () => {
    expect(KEYS.filter((key) => texts[key] === en[key] && !SAME[language]?.includes(key))).toEqual([]);
  });
});

test("Chinese texts are in Chinese", () => {
  for (const key of KEYS) if (!SAME.zh?.includes(key)) expect(TEXTS.zh[key], key).toMatch(/\p{Script=Han}/u);
});
