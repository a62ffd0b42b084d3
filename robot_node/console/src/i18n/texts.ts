/** The page's texts and their language. Without React. */

import { en, type TextKey } from "./en";

export type Language = "en" | "zh" | "de";
export type { TextKey };
export type Texts = Record<TextKey, string>;
export type Translate = (key: TextKey, values?: Record<string, string>) => string;

export const LANGUAGES: Record<Language, string> = { en: "English", zh: "中文", de: "Deutsch" };

const LOADERS = {
  zh: async (): Promise<Texts> => (await import("./zh")).zh,
  de: async (): Promise<Texts> => (await import("./de")).de,
};
const loaded = new Map<Language, Texts>([["en", en]]);

/** Load the texts of a language, which only a page in it needs; it stays in English where they cannot be had. */
export async function loadTexts(language: Language): Promise<void> {
  if (language === "en" || loaded.has(language)) return;
  const texts = await LOADERS[language]().catch(() => null);
  if (texts) loaded.set(language, texts);
}

const isLanguage = (text: string): text is Language => Object.hasOwn(LANGUAGES, text);

/** The language that the browser's user likes best among ours. */
export function preferredLanguage(wanted: readonly string[] = navigator.languages): Language {
  for (const tag of wanted) {
    const [language = ""] = tag.toLowerCase().split("-");
    if (isLanguage(language)) return language;
  }
  return "en";
}

/** Of a language that has been loaded. */
export function translator(language: Language): Translate {
  const texts = loaded.get(language) ?? en;
  return (key, values = {}) => texts[key].replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}
