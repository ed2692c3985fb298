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

export default defineConfig({
  plugins: [react(), gzipSiblings()],
  base: "./", // the page may be mounted under any path
  build: {
    outDir: "../tokenserver/page",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "licenses.md" }, // the wheel carries the bundled libraries
    chunkSizeWarningLimit: 1500, // kB; most of it is livekit-client
  },
  test: { environment: "happy-dom", include: ["tests/**/*.test.{ts,tsx}"] },
});
