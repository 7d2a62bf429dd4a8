import { defineConfig } from 'vitest/config'

// The built window in a real Chromium, against a double of the engine's HTTP interface.
export default defineConfig({
  test: {
    environment: 'node',
    include: ['tests/e2e/**/*.test.ts'],
    testTimeout: 60_000,
    // A page follows what it asked for in its own time, and a busy machine gives it little.
    expect: { poll: { timeout: 10_000 } },
    hookTimeout: 60_000,
    fileParallelism: false,
  },
})
