import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Where `vite dev` finds the session service; nodes are reached at their own addresses. */
const service = process.env.MERIDIAN_DEV_SERVICE ?? 'http://localhost:7080';

export default defineConfig({
  plugins: [react()],
  // The page's Content-Security-Policy knows no data: fonts, so no asset goes inline.
  build: {
    target: 'es2023',
    assetsInlineLimit: 0,
    // What changes with the libraries only stays in the browser's cache over our releases.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'libraries', test: /node_modules/ }] } } },
  },
  server: {
    port: 5173,
    proxy: Object.fromEntries(['/v1', '/.well-known', '/docs'].map((path) => [path, { target: service }])),
  },
});
