import { expect, models, test } from './setup.js'

const FACT = 'The keel of the Marigold was laid in 1931 by Ingrid Larsen.'
/** 120 pages of about 300 words, with one sentence that matters. */
const PAGES = Array.from({ length: 120 }, (_, page) => {
  const dull = `Page ${page} is about the weather of that day, which was calm. `.repeat(28)
  return page === 73 ? `${dull}\n\n${FACT}\n\n${dull}` : dull
}).join('\n\n')

test.describe('agents together, in the browser', () => {
  test('a router, a handoff and a supervisor: parts with the path of agents, one answer', async ({ blank }) => {
    const result = await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const alcove = createAlcove({ model: scriptedModel([]), storage: { name: 'teams' } })
      const agent = (name: string, ...turns: string[]) =>
        alcove.agent({ name, description: `knows ${name}`, model: scriptedModel(turns, { chunkSize: 4 }) })
      const router = alcove.router({
        name: 'desk',
        agents: [agent('maths', 'It is four.'), agent('poetry')],
        model: scriptedModel('{"agent": "maths", "why": "numbers"}'),
      })
      const boss = alcove.supervisor({
        name: 'boss',
        agents: [router],
        model: scriptedModel([{ toolCalls: [{ name: 'desk', input: { task: '2+2?' } }] }, 'Four, says the desk.']),
      })
      const parts = []
      for await (const part of boss.stream('What is 2+2?')) parts.push(part)
      const twice = await alcove
        .router({ agents: [agent('a'), agent('a')] })
        .generate('x')
        .catch(({ code }: { code: string }) => code)
      await alcove.close()
      return { parts, twice }
    })
    const { parts } = result
    const texts = parts.filter((part) => part.type === 'text-delta')
    const answer = texts.filter(({ inner }) => !inner).map(({ text }) => text)
    expect(answer.join('')).toBe('Four, says the desk.')
    expect(new Set(texts.map(({ agentPath }) => agentPath?.join(' > ')))).toEqual(
      new Set(['boss > desk > selector', 'boss > desk > maths', undefined]),
    )
    expect(parts.find((part) => part.type === 'handoff')).toMatchObject({ from: 'desk', to: 'maths', why: 'numbers' })
    expect(parts.at(-1)).toMatchObject({ type: 'finish', finish: { reason: 'stop' } })
    expect(result.twice).toBe('invalid-argument')
  })

  test('a group chat waits for a person, over a reload of the page', async ({ blank }) => {
    const before = await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const alcove = createAlcove({ storage: { name: 'teams-chat' } })
      const ann = alcove.agent({ name: 'Ann', model: scriptedModel(['Hello Eve.']) })
      const chat = alcove.groupChat({ agents: [ann, { name: 'Eve', human: true }], select: 'round-robin' })
      const run = chat.stream('Talk about boats')
      const asked = []
      for await (const part of run) if (part.type === 'approval-request') asked.push(part)
      localStorage.setItem('chat', JSON.stringify(run.state))
      await alcove.close()
      return { asked, finish: await run.finish }
    })
    expect(before.finish.reason).toBe('paused')
    expect(before.asked).toMatchObject([{ name: 'Eve', ask: 'turn' }])
    await blank.reload()
    const after = await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const alcove = createAlcove({ storage: { name: 'teams-chat' } })
      const model = scriptedModel(['The Marigold, then.'])
      const ann = alcove.agent({ name: 'Ann', model })
      const chat = alcove.groupChat({ agents: [ann, { name: 'Eve', human: true }], select: 'round-robin' })
      const run = chat.resume(JSON.parse(localStorage.getItem('chat') ?? ''), { reply: 'I like the Marigold.' })
      const found = { text: await run.text, messages: await run.messages, finish: await run.finish }
      await alcove.close()
      return { ...found, told: JSON.stringify(model.requests[0]) }
    })
    expect(after.text).toBe('Hello Eve.\n\nThe Marigold, then.')
    expect(after.messages.map(({ name }) => name)).toEqual(['Ann', 'Eve', 'Ann'])
    expect(after.told).toContain('Eve: I like the Marigold.')
    expect(after.finish.reason).toBe('stop')
  })

  test('document QA reads 120 pages of a corpus side by side, and cites what is there', async ({ blank }) => {
    const result = await blank.evaluate(
      async ([pages, fact]) => {
        const { createAlcove } = await import('/dist/index.js')
        const { scriptedModel } = await import('/dist/testing.js')
        const alcove = createAlcove({ maxDownloadBytes: 0, allowRemoteModels: false, storage: { name: 'teams-qa' } })
        const corpus = await alcove.corpus('log')
        await corpus.add({ title: 'Log', text: pages })
        let working = 0
        let most = 0
        const turn = async (request: { messages: unknown }) => {
          const told = JSON.stringify(request.messages)
          if (!told.includes('You read one part')) return 'The keel was laid in 1931 [1].'
          most = Math.max(most, ++working)
          await new Promise((resolve) => setTimeout(resolve, 5))
          working--
          const relevant = told.includes(fact)
          return JSON.stringify({ relevant, answer: relevant ? 'In 1931.' : '', quote: relevant ? fact : '' })
        }
        const model = scriptedModel(Array(400).fill(turn))
        const qa = alcove.documentQa({ corpus, mode: 'parallel', model })
        const answer = await qa.generate('When was the keel of the Marigold laid?')
        const [citation] = answer.citations
        const stored = citation && (await corpus.get(citation.source.id))
        const cut = citation && stored?.text.slice(...citation.span)
        await alcove.close()
        return { answer, cut, most, asked: model.requests.length }
      },
      [PAGES, FACT] as const,
    )
    expect(result.answer.text).toBe('The keel was laid in 1931 [1].')
    expect(result.answer.citations).toMatchObject([{ verified: true, quote: FACT, source: { title: 'Log' } }])
    expect(result.cut).toBe(FACT)
    expect(result.most).toBe(5)
    expect(result.asked).toBeGreaterThan(40)
  })

  test('the entry alcove/agents works without the client', async ({ blank }) => {
    const result = await blank.evaluate(async () => {
      const { createHandoff, createWriter } = await import('/dist/agents.js')
      const { createAgent } = await import('/dist/index.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const give = { toolCalls: [{ name: 'handoff', input: { to: 'support' } }] }
      const sales = createAgent({ name: 'sales', model: scriptedModel([give]) })
      const support = createAgent({ name: 'support', model: scriptedModel('Turn it off and on.') })
      const helped = await createHandoff({ agents: [sales, support] }).generate('It is broken')
      const outline = '{"sections":[{"title":"Hulls","summary":""}]}'
      const written = await createWriter({ model: scriptedModel([outline, 'They float.']) }).generate('Boats')
      return { helped: helped.text, written: written.text }
    })
    expect(result).toEqual({ helped: 'Turn it off and on.', written: '## Hulls\n\nThey float.' })
  })

  test('a code agent runs what it writes in the sandbox, and mends it', async ({ blank }) => {
    const result = await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const { javascriptTool } = await import('/dist/tool-javascript.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const alcove = createAlcove({ storage: { name: 'teams-code' } })
      const tool = javascriptTool()
      const call = (code: string) => ({ toolCalls: [{ name: tool.name, input: { code } }] })
      const model = scriptedModel([call('nothing.here'), call('6 * 7'), 'It is 42.'])
      const parts = []
      for await (const part of alcove.codeAgent({ tool, model }).stream('What is 6 times 7?')) parts.push(part)
      await alcove.close()
      return parts.filter((part) => part.type === 'tool-result' || part.type === 'finish')
    })
    const [first, second, last] = result
    expect(first).toMatchObject({ type: 'tool-result', isError: true })
    expect(second).toMatchObject({ type: 'tool-result', isError: false })
    expect(JSON.stringify(second)).toContain('42')
    expect(last).toMatchObject({ type: 'finish', finish: { reason: 'stop', steps: 3 } })
  })

  test('document QA with quotes, where no model can run', async ({ blank }) => {
    const result = await blank.evaluate(async (fact) => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ maxDownloadBytes: 0, allowRemoteModels: false, storage: { name: 'teams-simple' } })
      const corpus = await alcove.corpus('boats')
      await corpus.add({ title: 'Boats', text: `Boats are old.\n\n${fact}\n\nThey float.` })
      const ask = (mode: 'simple' | 'parallel') => alcove.documentQa({ corpus, mode }).generate('Who laid the keel?')
      const found = [await ask('simple'), await ask('parallel')]
      await alcove.close()
      return found
    }, FACT)
    for (const { text, citations, usage } of result) {
      expect(text).toContain('Ingrid Larsen')
      expect(citations[0]).toMatchObject({ verified: true, source: { title: 'Boats' } })
      expect(usage.modelId).toBe('extractive')
    }
  })
})

test.describe('agents together, with a model of 135 million parameters', () => {
  test.skip(models.onnxChat === undefined, 'needs SmolLM2-135M-Instruct (ONNX) in ALCOVE_MODELS_DIR or models/')

  test('a router is held to its agents, and the chosen one answers', async ({ blank }) => {
    const found = await blank.evaluate(async (id) => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ model: id, allowRemoteModels: false, storage: { name: 'teams-small' } })
      try {
        const sampling = { temperature: 0, maxTokens: 24 }
        const agents = [
          alcove.agent({ name: 'cook', description: 'recipes, food and cooking', sampling }),
          alcove.agent({ name: 'mechanic', description: 'cars, engines and repairs', sampling }),
        ]
        const router = alcove.router({ agents })
        const results = []
        for (const question of ['How do I bake bread?', 'The engine of my car makes a noise.']) {
          const parts = []
          for await (const part of router.stream(question)) parts.push(part)
          results.push(parts)
        }
        return results
      } finally {
        await alcove.close()
      }
    }, models.onnxChat as string)
    for (const parts of found) {
      const [handoff] = parts.filter((part) => part.type === 'handoff')
      const deltas = parts.filter((part) => part.type === 'text-delta')
      const chosen = deltas.filter(({ inner }) => inner).map(({ text }) => text)
      expect(JSON.parse(chosen.join('')), 'what the grammar lets through').toMatchObject({ agent: handoff?.to })
      expect(handoff?.why).not.toBe('fallback')
      expect(['cook', 'mechanic']).toContain(handoff?.to)
      const answer = deltas.filter(({ inner }) => !inner)
      expect(answer.map(({ text }) => text).join('').length).toBeGreaterThan(10)
      for (const { agentPath } of answer) expect(agentPath).toEqual(['router', handoff?.to])
      expect(parts.at(-1)).toMatchObject({ type: 'finish', finish: { steps: 2 } })
    }
  })
})
