import {
  answerText,
  answerWith,
  type Behaviour,
  delta,
  event,
  json,
  openEvents,
  type ProtocolServer,
  startProtocolServer,
  usageChunk,
} from '../unit/engines/http/protocol-server.js'
import { expect, origins, test } from './setup.js'

const servers: ProtocolServer[] = []
async function serve(behave: Behaviour): Promise<ProtocolServer> {
  const server = await startProtocolServer(behave)
  servers.push(server)
  return server
}
test.afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

/** A page without the strict policy, which lets only our own origin and the hub be asked. */
const page = () => new URL('/pages/blank.html', origins().elsewhere).href

test.describe('a remote model', () => {
  test('answers through an agent, with a tool, usage and a retry that is said', async ({ page: tab }) => {
    const server = await serve((request, response) => {
      if (request.place === 0) return json(response, 503, { error: 'busy' }, { 'retry-after-ms': '20' })
      const hasResult = request.body.messages.some((message: { role: string }) => message.role === 'tool')
      const call = { index: 0, id: 'c1', function: { name: 'weather', arguments: '{"city":"Oslo"}' } }
      if (!hasResult)
        return answerWith(delta({ tool_calls: [call] }), delta({}, 'tool_calls'), usageChunk(20, 5))(request, response)
      answerWith(
        delta({ content: 'It rains ' }),
        delta({ content: 'in Oslo.' }, 'stop'),
        usageChunk(30, 4, 16),
      )(request, response)
    })
    await tab.goto(page())
    const result = await tab.evaluate(async (baseUrl) => {
      const { createAlcove, tool } = await import('/dist/index.js')
      const alcove = createAlcove({
        http: { baseUrl, apiKey: 'sk-page-key-123' },
        model: 'http:tiny',
        storage: { name: 'http-tools' },
      })
      const weather = tool({
        name: 'weather',
        description: 'The weather in a city.',
        input: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
        execute: async ({ city }: { city: string }) => ({ city, sky: 'rain' }),
      })
      const run = alcove.agent({ tools: [weather] }).stream('What is the weather in Oslo?')
      const types: string[] = []
      for await (const part of run) types.push(part.type === 'status' ? `status ${part.status}` : part.type)
      const report = await alcove.load()
      const rows = await alcove.models.list()
      const availability = await alcove.availability()
      await alcove.close()
      return {
        text: await run.text,
        usage: await run.usage,
        types,
        chosen: report.chosen.chat,
        row: rows.find(({ id }) => id === 'http:tiny'),
        availability,
      }
    }, server.url)
    expect(result.text).toBe('It rains in Oslo.')
    expect(result.types).toEqual(
      expect.arrayContaining(['status retrying', 'tool-call', 'tool-result', 'text-delta', 'finish']),
    )
    expect(result.usage).toMatchObject({
      promptTokens: 50,
      completionTokens: 9,
      cachedTokens: 16,
      modelId: 'http:tiny',
    })
    expect(result.chosen).toBe('http:tiny')
    expect(result.row).toMatchObject({ state: 'available', runsOn: 'remote', bytes: 0 })
    expect(result.availability).toBe('available')
    const posts = server.seen.filter(({ method }) => method === 'POST')
    expect(posts).toHaveLength(3)
    expect(posts[2]?.headers.authorization).toBe('Bearer sk-page-key-123')
    expect(posts[2]?.body.messages.at(-1)).toEqual({
      role: 'tool',
      tool_call_id: 'c1',
      content: '{"city":"Oslo","sky":"rain"}',
    })
  })

  test('fails over, and an abort of a hanging answer settles within 100 ms and frees the connection', async ({
    page: tab,
  }) => {
    const gone = await serve(() => {})
    await gone.close()
    const server = await serve((request, response) => {
      if (request.body.messages.at(-1).content !== 'hang') return answerText('from the second')(request, response)
      openEvents(response)(event(delta({ content: 'Well, ' })))
    })
    await tab.goto(page())
    const result = await tab.evaluate(
      async (baseUrl) => {
        const { createAlcove } = await import('/dist/index.js')
        const alcove = createAlcove({
          http: { baseUrl, connections: { total: 1 } },
          model: 'http:tiny',
          storage: { name: 'http-over' },
        })
        const agent = alcove.agent()
        const first = await agent.generate('one')
        const run = agent.stream('hang')
        let abortedAt = 0
        for await (const part of run) {
          if (part.type !== 'text-delta') continue
          abortedAt = performance.now()
          run.abort()
        }
        const settledMs = performance.now() - abortedAt
        const after = await agent.generate('two')
        await alcove.close()
        return { first: first.text, settledMs, finish: await run.finish, after: after.text }
      },
      [gone.url, server.url],
    )
    expect(result).toMatchObject({ first: 'from the second', finish: { reason: 'aborted' }, after: 'from the second' })
    expect(result.settledMs).toBeLessThan(100)
    await expect.poll(() => server.left).toBe(1)
  })

  test('a stream that ends in the middle ends the run with one typed error', async ({ page: tab }) => {
    const server = await serve((_, response) => {
      openEvents(response)(event(delta({ content: 'It is ' })))
      setTimeout(() => response.socket?.destroy(), 20)
    })
    await tab.goto(page())
    const finish = await tab.evaluate(async (baseUrl) => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ http: { baseUrl }, model: 'http:tiny', storage: { name: 'http-cut' } })
      const run = alcove.agent().stream('?')
      for await (const _ of run);
      await alcove.close()
      return await run.finish
    }, server.url)
    expect(finish).toMatchObject({
      reason: 'error',
      error: { code: 'network', hint: expect.stringContaining('whole answer') },
    })
    expect(server.seen.filter(({ method }) => method === 'POST')).toHaveLength(1)
  })

  test('embeds documents, which are found by meaning', async ({ page: tab }) => {
    // Each text becomes a vector of what it speaks of: enough to tell boats from invoices.
    const topics = [/boat|ship|sail/i, /invoice|due|pay/i, /./]
    const server = await serve(({ body }, response) => {
      const vectors = body.input.map((text: string) =>
        topics.map((topic, at) => (topic.test(text) ? (at < 2 ? 1 : 0.1) : 0)),
      )
      json(response, 200, { data: vectors.map((embedding: number[], index: number) => ({ index, embedding })) })
    })
    await tab.goto(page())
    const result = await tab.evaluate(async (baseUrl) => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({
        http: { baseUrl },
        model: 'extractive',
        embedder: 'http:vectors',
        storage: { name: 'http-embed' },
      })
      const corpus = await alcove.corpus('notes')
      await corpus.add([
        { title: 'A', text: 'Invoices are due in thirty days.' },
        { title: 'B', text: 'The vessel is a ship of oak.' },
      ])
      const hits = await corpus.search('sailing boats', { mode: 'vector', topK: 1 })
      const stats = await corpus.stats()
      await alcove.close()
      return { title: hits[0]?.source.title, embedder: stats.embedder, dimensions: stats.dimensions }
    }, server.url)
    expect(result).toMatchObject({ title: 'B', embedder: expect.stringContaining('http:vectors'), dimensions: 3 })
  })

  test('is refused where other origins are, and without a configuration, with nothing asked', async ({ blank }) => {
    const asked: string[] = []
    blank.on('request', (request) => asked.push(request.url()))
    const errors = await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const http = { baseUrl: 'http://localhost:9/v1', apiKey: 'sk-page-key-123' }
      const results: unknown[] = []
      for (const options of [{ http, allowRemoteModels: false }, {}]) {
        const alcove = createAlcove({ ...options, model: 'http:tiny', storage: { name: 'http-refused' } })
        const run = alcove.agent().stream('?')
        for await (const _ of run);
        results.push((await run.finish).error)
        await alcove.close()
      }
      return results
    })
    expect(errors).toMatchObject([
      { code: 'permission-denied' },
      { code: 'invalid-argument', hint: expect.stringContaining('baseUrl') },
    ])
    expect(JSON.stringify(errors)).not.toContain('sk-page')
    expect(asked.filter((url) => url.includes(':9/'))).toEqual([])
  })

  test('costs the page nothing unless it is named', async ({ blank }) => {
    const scripts: string[] = []
    blank.on('request', (request) => scripts.push(request.url()))
    await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ model: 'extractive', storage: { name: 'http-none' } })
      await alcove.agent().generate('Hello?')
      await alcove.close()
    })
    expect(scripts.some((url) => /\/dist\/.*\.js/.test(url))).toBe(true)
    expect(scripts.filter((url) => /\/dist\/(?:http|chat)-/.test(url))).toEqual([])
  })
})
