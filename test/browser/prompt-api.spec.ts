import { expect, test } from './setup.js'

/**
 * A `LanguageModel` as the specification has it: availability, a download that needs a click, sessions with `contextUsage`, `clone`,
 * a stream of deltas that its signal ends. What a browser's real model does beyond that is not seen here.
 */
function installLanguageModel() {
  let state = 'downloadable'
  // What a test evaluates counts as activated by its tool, so only real clicks are counted here.
  let clickedAt = Number.NEGATIVE_INFINITY
  addEventListener(
    'click',
    ({ isTrusted }) => {
      if (isTrusted) clickedAt = performance.now()
    },
    true,
  )
  const counts = { create: 0, clone: 0, prompts: [] as unknown[] }
  const lengthOf = (value: unknown) => JSON.stringify(value).length
  class LanguageModel extends EventTarget {
    contextUsage = 0
    readonly contextWindow = 6_144
    static async availability(options: { expectedInputs?: { type: string }[] } = {}) {
      return options.expectedInputs?.some(({ type }) => type !== 'text') ? 'unavailable' : state
    }
    static async create(options: { initialPrompts?: unknown[]; monitor?: (target: EventTarget) => void } = {}) {
      if (state !== 'available') {
        if (performance.now() - clickedAt > 5_000) throw new DOMException('Requires a user gesture.', 'NotAllowedError')
        const target = new EventTarget()
        options.monitor?.(target)
        for (const loaded of [0, 0.25, 1])
          target.dispatchEvent(new ProgressEvent('downloadprogress', { loaded, total: 1 }))
        state = 'available'
      }
      counts.create += 1
      const session = new LanguageModel()
      session.contextUsage = options.initialPrompts ? lengthOf(options.initialPrompts) : 0
      return session
    }
    async clone() {
      counts.clone += 1
      const copy = new LanguageModel()
      copy.contextUsage = this.contextUsage
      return copy
    }
    async measureContextUsage(input: unknown) {
      return lengthOf(input)
    }
    destroy() {}
    promptStreaming(input: unknown[], { signal }: { signal?: AbortSignal } = {}) {
      counts.prompts.push(input)
      this.contextUsage += lengthOf(input)
      const words = JSON.stringify(input).includes('forever') ? undefined : ['The ', 'sea ', 'is ', 'wide.']
      let at = 0
      return new ReadableStream<string>({
        pull: async (controller) => {
          await new Promise((resolve) => setTimeout(resolve, 5))
          if (signal?.aborted) return controller.error(new DOMException('aborted', 'AbortError'))
          if (words && at === words.length) return controller.close()
          this.contextUsage += 1
          controller.enqueue(words?.[at++] ?? 'on ')
        },
      })
    }
  }
  Object.defineProperty(globalThis, 'LanguageModel', { value: LanguageModel, configurable: true, writable: true })
  Object.defineProperty(globalThis, 'languageModelCounts', { value: counts })
}

test.describe('the browser’s own model', () => {
  test('is told to be unavailable where it is, and auto passes over it', async ({ blank }) => {
    const result = await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const named = createAlcove({ model: 'prompt-api', storage: { name: 'own' } })
      const availability = await named.availability()
      const run = named.agent().stream('Hello?')
      for await (const _ of run);
      await named.close()
      const auto = createAlcove({ maxDownloadBytes: 0, storage: { name: 'own-auto' } })
      const report = await auto.load()
      await auto.close()
      return { has: 'LanguageModel' in globalThis, availability, error: (await run.finish).error, report }
    })
    test.skip(!result.has, 'this Chromium offers no LanguageModel')
    expect(result.availability).toBe('unavailable')
    expect(result.error).toMatchObject({ code: 'model-not-found' })
    expect(result.report.chosen.chat).not.toBe('prompt-api')
    expect(result.report.refused).toContainEqual(
      expect.objectContaining({ model: 'prompt-api', code: 'model-not-found' }),
    )
  })

  test('needs a click for its download, answers, goes on with its session, and is aborted', async ({ page, blank }) => {
    await page.addInitScript(installLanguageModel)
    await page.reload()
    const before = await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ model: 'prompt-api', storage: { name: 'own-click' } })
      Object.assign(globalThis, { alcove })
      const availability = await alcove.availability()
      const refused = await alcove
        .load()
        .catch((error: { code: string; hint: string }) => ({ code: error.code, hint: error.hint }))
      const button = document.createElement('button')
      button.textContent = 'Load'
      const statuses: string[] = []
      const loading = new Promise((resolve) =>
        button.addEventListener('click', () =>
          resolve(alcove.load({ onProgress: (status: { message: string }) => statuses.push(status.message) })),
        ),
      )
      Object.assign(globalThis, { loading, statuses })
      document.body.append(button)
      return { availability, refused }
    })
    expect(before).toMatchObject({
      availability: 'downloadable',
      refused: { code: 'permission-denied', hint: expect.stringContaining('click') },
    })
    await page.getByRole('button', { name: 'Load' }).click()
    const result = await blank.evaluate(async () => {
      const page = globalThis as unknown as {
        // biome-ignore lint/suspicious/noExplicitAny: the client that the step before left on the page
        alcove: any
        loading: Promise<{ chosen: { chat: string } }>
        statuses: string[]
        languageModelCounts: { create: number; clone: number; prompts: { content: string }[][] }
      }
      const report = await page.loading
      const agent = page.alcove.agent({ instructions: 'Be brief.' })
      const first = await agent.generate('What is the sea?')
      const second = await agent.generate([
        { role: 'user', content: 'What is the sea?' },
        ...first.messages,
        { role: 'user', content: 'And the sky?' },
      ])
      const run = agent.stream('forever')
      let abortedAt = 0
      for await (const part of run) {
        if (part.type !== 'text-delta' || abortedAt > 0) continue
        abortedAt = performance.now()
        run.abort()
      }
      const settledMs = performance.now() - abortedAt
      const after = await agent.generate('Again?')
      const availability = await page.alcove.availability()
      const counts = page.languageModelCounts
      await page.alcove.close()
      return {
        chosen: report.chosen.chat,
        statuses: page.statuses,
        first,
        second,
        settledMs,
        after: after.text,
        availability,
        counts,
      }
    })
    expect(result.chosen).toBe('prompt-api')
    expect(result.statuses.length).toBeGreaterThan(0)
    expect(result.first.text).toBe('The sea is wide.')
    expect(result.second.usage.cachedTokens).toBeGreaterThan(0)
    expect(result.counts.prompts[1]).toHaveLength(1)
    expect(result.settledMs).toBeLessThan(100)
    expect(result.after).toBe('The sea is wide.')
    expect(result.availability).toBe('available')
  })
})
