import { expect, origins, test } from './setup.js'

const DIED = {
  code: 'worker-crashed',
  message: expect.stringContaining("'peer'"),
  hint: expect.stringMatching(/.{10}/),
}

test.describe('workers as they are', () => {
  test('a call, its typed error, a stream and a request', async ({ blank }) => {
    const result = await blank.evaluate(async () => (await import('/pages/rpc.js')).runCalls())
    expect(result).toEqual({
      sum: 5,
      error: {
        name: 'AlcoveError',
        code: 'quota-exceeded',
        message: 'full',
        hint: 'Delete it.',
        retryable: true,
        details: { bytes: 5 },
      },
      parts: 1000,
      echoed: { list: [1, 'two'] },
      state: 'ready',
    })
  })

  for (const how of ['close', 'terminate'] as const) {
    for (const watch of ['lock', 'heartbeat'] as const) {
      test(`a worker that ends by ${how}, seen by ${watch}: what waits fails, the next call has a new one`, async ({
        blank,
      }) => {
        const result = await blank.evaluate(
          async ([end, withLocks]) => (await import('/pages/rpc.js')).runDeath(end, withLocks),
          [how, watch === 'lock'] as const,
        )
        expect(result).toMatchObject({ call: DIED, stream: DIED, next: 9, restarts: 1, workers: 2 })
      })
    }
  }

  test('a worker that is blocked for many heartbeats lives', async ({ blank }) => {
    const result = await blank.evaluate(async () => (await import('/pages/rpc.js')).runBlocked())
    expect(result).toEqual({ blocked: 800, restarts: 0, state: 'ready' })
  })

  test('scripts that are not there, broken or never ready are told apart', async ({ blank }) => {
    const { missing, broken, silent } = await blank.evaluate(async () =>
      (await import('/pages/rpc.js')).runBadScripts(),
    )
    expect(missing).toMatchObject({ ...DIED, message: expect.stringContaining('could not be loaded') })
    expect(missing.hint).toContain('no-such.worker.js')
    expect(broken).toMatchObject({ ...DIED, message: expect.stringContaining('broken at its start') })
    expect(silent).toMatchObject({ ...DIED, message: expect.stringContaining('did not get ready within 300 ms') })
  })

  test('a worker of a worker: calls, streams, and its death', async ({ blank }) => {
    const result = await blank.evaluate(async () => (await import('/pages/rpc.js')).runNested())
    expect(result).toEqual({ sum: 7, parts: 500, death: 'worker-crashed', again: 2 })
  })

  test('a slow reader slows the worker; one that leaves or aborts cleans up there', async ({ blank }) => {
    const result = await blank.evaluate(async () => (await import('/pages/rpc.js')).runBackpressure())
    expect(result.produced).toBeGreaterThan(0)
    expect(result.produced, 'no more than the credits, whatever the time').toBeLessThanOrEqual(64)
    expect(result.abort.code).toBe('aborted')
    expect(result.after).toMatchObject({ aborted: 2, cleanedUp: 2 })
  })

  test('an abort settles while the worker is still busy, and the worker lives on', async ({ blank }) => {
    const result = await blank.evaluate(async () => (await import('/pages/rpc.js')).runAbortWhileBlocked())
    expect(result).toEqual({ order: ['aborted', 'worker free'], next: 2, restarts: 0 })
  })

  test('ten thousand parts arrive, each once', async ({ blank }) => {
    const { got } = await blank.evaluate(async () => (await import('/pages/rpc.js')).runTransport(10_000))
    expect(got).toBe(10_000)
  })

  test('an idle worker is ended and started again', async ({ blank }) => {
    const result = await blank.evaluate(async () => (await import('/pages/rpc.js')).runIdle())
    expect(result).toEqual({ before: 'ready', after: 'idle', next: 4, restarts: 0 })
  })

  test('a script of another origin starts through a Blob under the policy of a guest page', async ({ page }) => {
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(error.message))
    const { guest, elsewhere } = origins()
    await page.goto(new URL('/blank.html', guest).href)
    const result = await page.evaluate(async (base) => {
      // The address is another origin's, so the import has no type of its own.
      const module: typeof import('/pages/rpc.js') = await import(`${base}rpc.js`)
      return module.runCrossOrigin(base)
    }, `${elsewhere}pages/`)
    expect(result).toMatchObject({ sum: 23, parts: 100, nested: 11, heard: [1, 2], isRevoked: true })
    expect(result.death).toMatchObject({ code: 'worker-crashed' })
    expect(result.missing).toMatchObject({ code: 'worker-crashed', hint: expect.stringContaining('no-such.worker.js') })
    expect(errors).toEqual([])
  })
})
