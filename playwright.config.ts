import { existsSync } from 'node:fs'
import { defineConfig } from '@playwright/test'

const browser = process.env.ALCOVE_BROWSER ?? ['/usr/bin/chromium', '/usr/bin/google-chrome'].find(existsSync)

/** Chromium must ask nobody for anything by itself, or a closed network fills with refused connections. */
const QUIET = [
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
]
const SOFTWARE_WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader']
const root = process.getuid?.() === 0

const launch = (more: readonly string[] = []) => ({
  launchOptions: {
    ...(browser === undefined ? {} : { executablePath: browser }),
    args: [...QUIET, ...(root ? ['--no-sandbox'] : []), ...more],
  },
})

export default defineConfig({
  testDir: 'test',
  outputDir: 'test-results',
  globalSetup: './test/browser/servers.ts',
  fullyParallel: false,
  workers: process.env.ALCOVE_TEST_WORKERS ? Number(process.env.ALCOVE_TEST_WORKERS) : 1,
  retries: 0,
  timeout: 180_000,
  expect: { timeout: 20_000 },
  reporter: [['list'], ['json', { outputFile: process.env.PLAYWRIGHT_JSON_OUTPUT_NAME ?? '.alcove/browser.json' }]],
  projects: [
    {
      name: 'webgpu',
      testMatch: 'browser/**/*.spec.ts',
      testIgnore: '**/*.no-webgpu.spec.ts',
      use: launch(SOFTWARE_WEBGPU),
    },
    { name: 'no-webgpu', testMatch: 'browser/**/*.no-webgpu.spec.ts', use: launch() },
    { name: 'demo', testMatch: 'demo/**/*.spec.ts', use: launch() },
  ],
})
