import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  // The window loads it from the binary, a browser from any path below an engine's address.
  base: './',
  plugins: [svelte()],
  // The drawings are the repository's own, one folder up.
  server: { fs: { allow: ['..'] } },
  build: {
    // The oldest engines it must run in: WebKit of Debian 12 and macOS 13, and Chromium of the last years.
    target: ['safari16.4', 'chrome110'],
    // Nothing as `data:`, which the content security policy would refuse.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // In tests too, the browser's build of Svelte.
  resolve: process.env.VITEST ? { conditions: ['browser'] } : {},
  test: { environment: 'jsdom', include: ['tests/unit/**/*.test.ts'], setupFiles: ['tests/unit/setup.ts'] },
})
