// Must be imported before the SDK: zod would try whether it may compile code, and the browser would report each try
// as a violation of the Content-Security-Policy.
import { config } from "zod/v4/core";

config({ jitless: true });
