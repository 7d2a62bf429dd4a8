import { defineConfig } from 'vitest/config'

// The built window in a real Chromium, against a double of the engine's HTTP interface.
export default defineConfig({
  test: {
    environment: 'node',
    include: ['tests/e2e/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
})
