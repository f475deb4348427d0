import { expect, models, realPdf, test } from './setup.js'

const HANDBOOK = {
  title: 'Handbook',
  text: [
    '# Harbour library\n\nThe harbour library opens at nine in the morning and closes at eight in the evening.',
    '## Loans\n\nMembers may borrow twelve books for four weeks. A lost book costs 25 euros.',
    '## Boats\n\nThe rowing boat was built in 1931 by Ingrid Larsen and is repainted every second year.',
  ].join('\n\n'),
  mediaType: 'text/markdown',
}

test.describe('the main job', () => {
  test('answers from documents with sources and no download at all', async ({ blank }) => {
    const result = await blank.evaluate(async (handbook) => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ model: 'extractive', maxDownloadBytes: 0, storage: { name: 'quote' } })
      const corpus = await alcove.corpus('handbook')
      const added = await corpus.add(handbook)
      const answer = await alcove.agent({ corpus }).generate('Who built the rowing boat?')
      const [citation] = answer.citations
      const stored = citation && (await corpus.get(citation.source.id))
      const nothing = await alcove.agent({ corpus }).generate('What is the airspeed of a swallow in Africa?')
      const stats = await corpus.stats()
      const usage = await alcove.storage.usage()
      await alcove.close()
      return { added, answer, cited: citation && stored?.text.slice(...citation.span), citation, nothing, stats, usage }
    }, HANDBOOK)
    expect(result.added).toMatchObject({ added: 1, updated: 0, unchanged: 0, failed: [] })
    expect(result.answer.text).toContain('Ingrid Larsen')
    expect(result.citation).toMatchObject({ index: 1, verified: true, source: { title: 'Handbook' } })
    expect(result.cited).toBe(result.citation?.quote)
    expect(result.answer.finish.reason).toBe('stop')
    expect(result.nothing.citations).toEqual([])
    expect(result.stats).toMatchObject({ embedder: null, pendingVectors: result.stats.chunks })
    expect(result.usage.models, 'only small description files were looked at').toBeLessThan(10_000)
  })

  test('answers from a real PDF with a real embedding model', async ({ blank }) => {
    test.skip(!models.embedding || !realPdf, 'needs the small embedding model and the real documents')
    const result = await blank.evaluate(
      async ({ embedder, pdf }) => {
        const { createAlcove } = await import('/dist/index.js')
        const alcove = createAlcove({ model: 'extractive', embedder, storage: { name: 'pdf' } })
        const corpus = await alcove.corpus('papers')
        const data = await (await fetch(pdf)).blob()
        const kinds = new Set<string>()
        const run = corpus.add({ data, title: 'tracemonkey.pdf' })
        for await (const progress of run) kinds.add(progress.type)
        const stats = await corpus.stats()
        const hits = await corpus.search('What hardware were the benchmarks run on?', { topK: 5 })
        const document = await corpus.get(hits[0]?.source.id ?? '')
        const answer = await alcove.agent({ corpus }).generate('What is a trace tree?')
        await alcove.close()
        return {
          kinds: [...kinds],
          stats,
          pages: hits.map((hit) => hit.source.page),
          legs: hits.map((hit) => Object.keys(hit.ranks)),
          exact: hits.every((hit) => document?.text.slice(...hit.span) === hit.text),
          answer,
        }
      },
      { embedder: models.embedding as string, pdf: realPdf as string },
    )
    expect(result.kinds).toEqual(expect.arrayContaining(['reading', 'embedding', 'ready']))
    expect(result.stats).toMatchObject({ documents: 1, dimensions: 384, embedder: models.embedding, pendingVectors: 0 })
    expect(result.stats.chunks).toBeGreaterThan(50)
    expect(result.pages.every((page) => page !== undefined && page >= 1 && page <= 14)).toBe(true)
    expect(result.legs.flat()).toEqual(expect.arrayContaining(['keyword', 'vector']))
    expect(result.exact).toBe(true)
    expect(result.answer.citations.length).toBeGreaterThan(0)
    expect(result.answer.citations.every((citation) => citation.verified)).toBe(true)
  })

  test('a real model streams a draft beside the quoted passage', async ({ blank }) => {
    test.skip(!models.chat, 'needs a small chat model')
    const parts = await blank.evaluate(
      async ({ model, handbook }) => {
        const { createAlcove } = await import('/dist/index.js')
        const alcove = createAlcove({ model, maxDownloadBytes: 200_000_000, storage: { name: 'draft' } })
        const corpus = await alcove.corpus('handbook')
        await corpus.add(handbook)
        const agent = alcove.agent({ corpus, sampling: { temperature: 0, maxTokens: 24 } })
        const seen = []
        for await (const part of agent.stream('Who built the rowing boat?')) seen.push(part)
        await alcove.close()
        return seen
      },
      { model: models.chat as string, handbook: HANDBOOK },
    )
    const texts = parts.filter((part) => part.type === 'text-delta')
    const quoted = texts.filter((part) => part.role !== 'draft').map((part) => part.text)
    const draft = texts.filter((part) => part.role === 'draft')
    expect(quoted.join('')).toContain('Ingrid Larsen')
    expect(draft.length).toBeGreaterThan(2)
    expect(parts.find((part) => part.type === 'citation')).toMatchObject({ verified: true, index: 1 })
    expect(parts.at(-1)).toMatchObject({ type: 'finish', finish: { reason: expect.stringMatching(/stop|length/) } })
    const usage = parts.find((part) => part.type === 'usage')?.usage
    expect(usage?.promptTokens).toBeGreaterThan(20)
    expect(usage?.completionTokens).toBeGreaterThan(2)
  })

  test('after a reload nothing is embedded again and the answer comes from the cache', async ({ blank }) => {
    test.skip(!models.chat || !models.embedding, 'needs the small models')
    const ask = async () =>
      blank.evaluate(
        async ({ model, embedder, handbook }) => {
          const { createAlcove } = await import('/dist/index.js')
          const alcove = createAlcove({ model, embedder, storage: { name: 'reload' } })
          const corpus = await alcove.corpus('handbook')
          const added = await corpus.add(handbook)
          const stats = await corpus.stats()
          const hits = await corpus.search('rowing boat builder')
          const agent = alcove.agent({ corpus, sampling: { temperature: 0, maxTokens: 16 } })
          const run = agent.stream('Who built the rowing boat?')
          const statuses = []
          let draft = ''
          for await (const part of run) {
            if (part.type === 'status') statuses.push(part.status)
            if (part.type === 'text-delta' && part.role === 'draft') draft += part.text
          }
          const usage = await run.usage
          const health = await alcove.health()
          const found = hits.map(({ id, ranks }: { id: string; ranks: object }) => ({ id, ranks }))
          await alcove.close()
          return { added, stats, found, statuses, draft, usage, health }
        },
        { model: models.chat as string, embedder: models.embedding as string, handbook: HANDBOOK },
      )
    const first = await ask()
    expect(first.added.added).toBe(1)
    expect(first.usage.cache).not.toBe('hit')
    await blank.reload()
    const second = await ask()
    expect(second.added).toMatchObject({ added: 0, updated: 0, unchanged: 1 })
    expect(second.stats).toEqual(first.stats)
    expect(second.found).toEqual(first.found)
    expect(second.statuses).toContain('cached')
    expect(second.usage.cache).toBe('hit')
    expect(second.draft).toBe(first.draft)
  })

  test('stops in the middle at once, and the model answers the next question', async ({ blank }) => {
    test.skip(!models.chat, 'needs a small chat model')
    const result = await blank.evaluate(async (model) => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ model, storage: { name: 'stop' }, cache: false })
      const agent = alcove.agent({ sampling: { temperature: 0, maxTokens: 200 } })
      const run = agent.stream('Tell a very long story about a dragon and a lighthouse.')
      let deltas = 0
      let settledMs = -1
      for await (const part of run) {
        if (part.type === 'text-delta' && ++deltas === 3) {
          const stopped = performance.now()
          void run.finish.then(() => {
            settledMs = performance.now() - stopped
          })
          run.abort()
        }
      }
      const finish = await run.finish
      const code = await run.text.then(
        () => 'resolved',
        (error: { code: string }) => error.code,
      )
      const next = await alcove.agent({ sampling: { temperature: 0, maxTokens: 8 } }).generate('Say hello.')
      const { workers } = await alcove.health()
      await alcove.close()
      return { deltas, settledMs, finish, code, next: next.text, restarts: workers.llm.restarts }
    }, models.chat as string)
    expect(result.finish.reason).toBe('aborted')
    expect(result.code).toBe('aborted')
    expect(result.deltas).toBeLessThan(10)
    expect(result.settledMs).toBeGreaterThanOrEqual(0)
    expect(result.next.length).toBeGreaterThan(0)
    expect(result.restarts).toBe(0)
  })

  test('a worker that dies in the middle is replaced, and the same stream goes on', async ({ blank }) => {
    test.skip(!models.chat, 'needs a small chat model')
    await blank.evaluate(async (model) => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ model, storage: { name: 'kill' }, cache: false })
      const agent = alcove.agent({ sampling: { temperature: 0, maxTokens: 60 } })
      const run = agent.stream('Tell a long story about a dragon and a lighthouse.')
      const state = { deltas: 0, parts: [] as string[] }
      const done = (async () => {
        for await (const part of run) {
          if (part.type === 'text-delta') state.deltas += 1
          else state.parts.push(part.type === 'status' ? part.status : part.type)
        }
        const finish = await run.finish
        const text = finish.reason === 'error' ? '' : await run.text
        const next = await agent.generate('Say hello.')
        const { workers } = await alcove.health()
        await alcove.close()
        return { finish, text, parts: state.parts, next: next.text, restarts: workers.llm.restarts }
      })()
      Object.assign(window, { state, done })
    }, models.chat as string)
    await blank.waitForFunction(() => (window as unknown as { state: { deltas: number } }).state.deltas > 3)
    const worker = blank.workers().find((candidate) => candidate.url().includes('llm.worker'))
    expect(worker).toBeDefined()
    await worker?.evaluate(() => self.close()).catch(() => {})
    const result = await blank.evaluate(() => {
      const { done } = window as unknown as {
        done: Promise<{
          finish: { reason: string; error?: object }
          text: string
          parts: string[]
          next: string
          restarts: number
        }>
      }
      return done
    })
    // An engine that cannot go on from a beginning ends the run with the one typed error instead.
    if (result.finish.reason === 'error')
      expect(result.finish.error).toMatchObject({ code: 'worker-crashed', retryable: true })
    else expect(result.parts).toContain('recovered')
    if (models.onnxChat) expect(result.finish.reason).toMatch(/stop|length/)
    expect(result.restarts).toBe(1)
    expect(result.next.length).toBeGreaterThan(0)
  })
})
