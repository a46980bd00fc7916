// Builds the page into the Python package, which serves it.
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  build: {
    outDir: "../src/caesura/studio/static",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the server's policy allows no inline scripts or styles
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: { proxy: { "/api": "http://127.0.0.1:8765" } },
});
