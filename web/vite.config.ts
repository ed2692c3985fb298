import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Write `x.js.gz` beside `x.js`: the token server sends it to browsers that take gzip. */
function gzipSiblings(): Plugin {
  return {
    name: "gzip-siblings",
    apply: "build",
    writeBundle({ dir = "" }) {
      for (const name of readdirSync(join(dir, "assets"))) {
        if (!/\.(js|css)$/.test(name)) continue;
        const path = join(dir, "assets", name);
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
      }
    },
  };
}

/**
 * Write `licenses.md`: the wheel carries these libraries, so it carries their notices.
 *
 * Vite's own list knows the packages it resolves, not those that LiveKit's packages have inlined;
 * the lock file knows them all.
 */
function licenses(): Plugin {
  return {
    name: "licenses",
    apply: "build",
    writeBundle({ dir = "" }) {
      const lock = JSON.parse(readFileSync("package-lock.json", "utf8")) as {
        packages: Record<string, { version: string; license?: string; dev?: boolean }>;
      };
      const notices = Object.entries(lock.packages)
        .filter(([path, { dev }]) => path !== "" && !dev)
        .map(([path, { version, license }]) => {
          const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
          const file = readdirSync(path).find((entry) => /^licen[sc]e/i.test(entry));
          const text = file === undefined ? "" : readFileSync(join(path, file), "utf8").trim();
          return `## ${name} ${version} (${license ?? "see below"})\n\n${text}\n`;
        });
      writeFileSync(
        join(dir, "licenses.md"),
        `# What the page is made of\n\n${notices.join("\n")}`,
      );
    },
  };
}

export default defineConfig({
  plugins: [react(), gzipSiblings(), licenses()],
  base: "./", // the page may be mounted under any path
  build: {
    outDir: "../tokenserver/page",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500, // kB; most of it is livekit-client
  },
  test: { environment: "happy-dom", include: ["tests/**/*.test.{ts,tsx}"] },
});
