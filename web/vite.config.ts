import { defineConfig } from 'vite';

/** The studio as static files that `foilbank serve` gives out below /studio/. */
export default defineConfig({
  root: import.meta.dirname,
  base: '/studio/',
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    target: 'es2022',
    // Nothing may be inlined: the content security policy allows no data: scripts or styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  server: { proxy: { '^/(foilbank\\.v1|studio/session|readyz)': 'http://127.0.0.1:8080' } },
});
