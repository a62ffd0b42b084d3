import { createContext, useContext } from "react";

import { en, type TextKey } from "./en";
import { zh } from "./zh";

export type Language = "en" | "zh";
export type { TextKey };
export type Translate = (key: TextKey, values?: Record<string, string>) => string;

export const LANGUAGES: Record<Language, string> = { en: "English", zh: "中文" };
const TEXTS: Record<Language, Record<TextKey, string>> = { en, zh };

/** The language that the browser's user likes best among ours. */
export function preferredLanguage(wanted: readonly string[] = navigator.languages): Language {
  for (const tag of wanted) {
    const language = tag.slice(0, 2).toLowerCase();
    if (language === "en" || language === "zh") return language;
  }
  return "en";
}

export function translator(language: Language): Translate {
  return (key, values = {}) => TEXTS[language][key].replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}

export const TextContext = createContext<Translate>(translator("en"));

export const useText = (): Translate => useContext(TextContext);
