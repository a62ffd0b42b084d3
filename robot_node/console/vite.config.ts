import { gzipSync } from "node:zlib";

import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vitest/config";

/** The SDK's client imports ajv, which compiles code at run time: our Content-Security-Policy forbids that. */
function withoutAjv(): Plugin {
  const replacement = new URL("./src/mcp/noValidator.ts", import.meta.url).pathname;
  return {
    name: "without-ajv",
    enforce: "pre",
    resolveId: (source) => (source.endsWith("validation/ajv-provider.js") ? replacement : null),
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
  plugins: [withoutAjv(), react(), compressed()],
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
