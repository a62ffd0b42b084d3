import { createContext, useContext } from "react";

import { de } from "./de";
import { en, type TextKey } from "./en";
import { zh } from "./zh";

export type Language = "en" | "zh" | "de";
export type { TextKey };
export type Translate = (key: TextKey, values?: Record<string, string>) => string;

export const LANGUAGES: Record<Language, string> = { en: "English", zh: "中文", de: "Deutsch" };
export const TEXTS: Record<Language, Record<TextKey, string>> = { en, zh, de };

const isLanguage = (text: string): text is Language => Object.hasOwn(LANGUAGES, text);

/** The language that the browser's user likes best among ours. */
export function preferredLanguage(wanted: readonly string[] = navigator.languages): Language {
  for (const tag of wanted) {
    const [language = ""] = tag.toLowerCase().split("-");
    if (isLanguage(language)) return language;
  }
  return "en";
}

export function translator(language: Language): Translate {
  return (key, values = {}) => TEXTS[language][key].replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}

export const TextContext = createContext<Translate>(translator("en"));

export const useText = (): Translate => useContext(TextContext);
