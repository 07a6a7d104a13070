import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    alias: {
      'cloudflare:workers': new URL('test/support/cloudflare-workers.ts', import.meta.url).pathname,
    },
    setupFiles: ['test/support/seed.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // One more than cores: many tests wait for a timeout or a server.
    maxWorkers: 3,
    expect: { poll: { timeout: 20_000, interval: 50 } },
  },
})
