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
    maxWorkers: 2,
    expect: { poll: { timeout: 20_000, interval: 50 } },
  },
})
