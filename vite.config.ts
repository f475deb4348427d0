import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/unit/**/*.test.ts', 'test/contract/**/*.test.ts', 'test/types/**/*.test.ts', 'test/*.test.ts'],
    environment: 'node',
    testTimeout: 20_000,
  },
})
