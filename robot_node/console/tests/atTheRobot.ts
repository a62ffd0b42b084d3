/** Documents of the tests come from where the robot's page does: its server lets no other page speak MQTT. */

import { inject } from "vitest";

const { jsdom } = globalThis as { jsdom?: { reconfigure(options: { url: string }): void } };
jsdom?.reconfigure({ url: inject("brokerUrl").replace(/^ws/, "http") });
