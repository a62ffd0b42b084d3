/** What MQTT.js takes for granted of Node; imported before it. */

import { Buffer } from "buffer";
import process from "./process";

globalThis.Buffer ??= Buffer;
globalThis.process ??= process as unknown as typeof globalThis.process;
