/** The page's texts in React. */

import { createContext, useContext } from "react";

import { translator, type Translate } from "./texts";

export * from "./texts";

export const TextContext = createContext<Translate>(translator("en"));

export const useText = (): Translate => useContext(TextContext);
