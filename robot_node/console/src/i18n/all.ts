/** All languages at once: for the build and for tests. The page loads its own. */

import { de } from "./de";
import { en } from "./en";
import type { Language, Texts } from "./text";
import { zh } from "./zh";

export const TEXTS: Record<Language, Texts> = { en, zh, de };
