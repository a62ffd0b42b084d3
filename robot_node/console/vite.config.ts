import { gzipSync } from "node:zlib";

import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vitest/config";

/** Put modules of ours in the place of what packages import: the reasons are in those modules. */
function replaced(replacements: Record<string, string>): Plugin {
  return {
    name: "replaced",
    enforce: "pre",
    resolveId(source) {
      const found = Object.keys(replacements).find((ending) => source.endsWith(ending));
      return found ? new URL(`./src/${replacements[found]}`, import.meta.url).pathname : null;
    },
  };
}

/** A compressed twin of every text file: a Pi should not have to make it. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    generateBundle(_, bundle) {
      for (const [fileName, output] of Object.entries(bundle)) {
        const source = output.type === "chunk" ? output.code : output.source;
        if (/\.(js|css|svg)$/.test(fileName)) {
          this.emitFile({ type: "asset", fileName: `${fileName}.gz`, source: gzipSync(source, { level: 9 }) });
        }
      }
    },
  };
}

export default defineConfig({
  base: "./",
  plugins: [
    replaced({ "validation/ajv-provider.js": "mcp/noValidator.ts", "worker-timers": "mqtt/noWorkerTimers.ts" }),
    react(),
    compressed(),
  ],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1000,
  },
  test: {
    include: ["tests/**/*.test.{ts,tsx}"],
    globalSetup: "tests/robot.ts",
    testTimeout: 30_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});
