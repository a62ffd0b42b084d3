import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";

import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vitest/config";

import { offlinePage } from "./src/installable/page";

/** Put modules of ours in the place of what packages import: the reasons are in those modules. */
function replaced(replacements: Record<string, string>): Plugin {
  return {
    name: "replaced",
    enforce: "pre",
    resolveId(source) {
      const found = Object.keys(replacements).find((name) => source === name || (name.includes("/") && source.endsWith(name)));
      return found ? new URL(`./src/${replacements[found]}`, import.meta.url).pathname : null;
    },
  };
}

/**
 * What the page loads in any case is named in its HTML. The configuration and the styles are fetched at once; the scripts
 * when the first one begins (`main.ts`): before, they would share the line with it.
 */
function preloaded(names: string[]): Plugin {
  return {
    name: "preloaded",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(_, { bundle, chunk: entry }) {
        const chunks = Object.values(bundle ?? {}).filter((output) => output.type === "chunk");
        const wanted = names.map((name) => chunks.find((chunk) => chunk.name === name));
        if (!wanted.every((chunk) => chunk !== undefined)) throw new Error(`There are no chunks ${names.join(", ")}.`);
        const scripts = new Set(wanted.flatMap((chunk) => [chunk.fileName, ...chunk.imports]));
        const styles = new Set(wanted.flatMap((chunk) => [...(chunk.viteMetadata?.importedCss ?? [])]));
        if (entry) scripts.delete(entry.fileName);
        const link = (attrs: Record<string, string>) => ({ tag: "link", attrs: { ...attrs, crossorigin: "" }, injectTo: "head" as const });
        return [
          ...[...styles].map((file) => link({ rel: "stylesheet", href: `./${file}` })),
          link({ rel: "preload", as: "fetch", href: "./config.json" }),
          ...[...scripts].map((file) => link({ rel: "next-script", href: `./${file}` })),
        ];
      },
    },
  };
}

/** The page without a connection, and the service worker that knows its files by their content. */
function installable(): Plugin {
  return {
    name: "installable",
    apply: "build",
    generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((output) => output.type === "chunk");
      const [script, worker] = ["offline", "sw"].map((name) => chunks.find((chunk) => chunk.name === name));
      if (!script || !worker || worker.imports.length > 0 || script.imports.length > 0) return this.error("A service worker is one file, and so is the script of its page.");
      const styles = [...(script.viteMetadata?.importedCss ?? [])];
      const page = offlinePage(script.fileName, styles);
      this.emitFile({ type: "asset", fileName: "offline.html", source: page });
      const files = ["offline.html", script.fileName, ...styles];
      const version = createHash("sha256").update(page).digest("hex").slice(0, 12); // The other files have hashes in their names.
      worker.code = `const SHELL=${JSON.stringify({ files, version })};${worker.code}`;
    },
  };
}

/**
 * What is loaded at first is compiled whole while it arrives, on another thread; else V8 compiles each function when it is
 * called, on the page's own (https://v8.dev/blog/explicit-compile-hints). Other browsers see a comment.
 */
function compiledAtOnce(names: string[]): Plugin {
  return {
    name: "compiled-at-once",
    apply: "build",
    generateBundle: {
      order: "post", // Minifying would remove it.
      handler(_, bundle) {
        for (const output of Object.values(bundle)) {
          if (output.type === "chunk" && names.includes(output.name)) output.code = `//# allFunctionsCalledOnLoad\n${output.code}`;
        }
      },
    },
  };
}

/** A compressed twin of every text file: a Pi should not have to make it. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    generateBundle: {
      order: "post", // Vite itself still changes chunks that load others.
      handler(_, bundle) {
        for (const [fileName, output] of Object.entries(bundle)) {
          const source = output.type === "chunk" ? output.code : output.source;
          if (/\.(js|css|svg)$/.test(fileName)) {
            this.emitFile({ type: "asset", fileName: `${fileName}.gz`, source: gzipSync(source, { level: 9 }) });
          }
        }
      },
    },
  };
}

/** The chunks that the first script imports in any case. */
const FIRST = ["robotSession", "show"];

export default defineConfig({
  base: "./",
  plugins: [
    replaced({
      "validation/ajv-provider.js": "mcp/noValidator.ts",
      "worker-timers": "mqtt/noWorkerTimers.ts",
      "process/": "mqtt/process.ts",
      debug: "mqtt/noDebug.ts",
      "lru-cache": "mqtt/noCache.ts",
    }),
    react(),
    preloaded(FIRST),
    installable(),
    compiledAtOnce(["index", ...FIRST]),
    compressed(),
  ],
  build: {
    rollupOptions: {
      input: { index: "index.html", offline: "src/installable/offline.ts", sw: "src/installable/worker.ts" },
      output: {
        entryFileNames: ({ name }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js"),
        experimentalMinChunkSize: 2000,
      },
    },
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
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
