import type { Page } from '@playwright/test'
import type { StreamPart } from '../../src/protocol/stream-part.js'
import { expect, models, test } from './setup.js'

interface Seen {
  /** What the example gave, in order. */
  readonly parts: StreamPart[]
  /** Text of the answers. */
  readonly text: string
  readonly asked: unknown[]
}

interface Choice {
  /** A model's id. @default the scripted model, with the example's script */
  readonly model?: string | undefined
  /** What the person says to a call. @default yes */
  readonly agrees?: boolean
  readonly delayMs?: number
  /** The page is left after so many characters of text. @default it is read to its end */
  readonly leaveAfter?: number
}

/** Runs an example on the page with a client of its own, and gives all that it shows. */
async function runExample(page: Page, id: string, choice: Choice = {}): Promise<Seen> {
  const parts = await page.evaluate(
    async ([id, { model, agrees = true, delayMs = 0, leaveAfter }]) => {
      const [{ createAlcove }, { scriptedModel }, { examples }, { scripts }] = await Promise.all([
        import('/dist/index.js'),
        import('/dist/testing.js'),
        import('/pages/examples.js'),
        import('/pages/example-scripts.js'),
      ])
      const alcove = createAlcove({
        model: model ?? scriptedModel(scripts[id] ?? [], { chunkSize: 4, delayMs }),
        ...(model === undefined && { maxDownloadBytes: 0 }),
        allowRemoteModels: false,
        storage: { name: 'examples' },
      })
      const asked: unknown[] = []
      const parts = []
      let length = 0
      try {
        const ask = async ({ input }: { input: unknown }) => {
          asked.push(input)
          return agrees
        }
        const iterator = examples
          .find((one) => one.id === id)
          ?.run(alcove, ask)
          [Symbol.asyncIterator]()
        for (let next = await iterator?.next(); next && !next.done; next = await iterator?.next()) {
          const part = next.value
          parts.push(part as StreamPart)
          const { type, text = '' } = part as { type?: string; text?: string }
          if (type === 'text-delta') length += text.length
          // As a reload does: nothing is told to the run.
          if (leaveAfter !== undefined && length >= leaveAfter) return { parts, asked }
        }
        await alcove.close()
        return { parts, asked }
      } catch (error) {
        await alcove.close()
        throw error
      }
    },
    [id, choice] as const,
  )
  const deltas = parts.parts.flatMap((part) => (part.type === 'text-delta' && !part.inner ? [part.text] : []))
  return { ...parts, text: deltas.join('') }
}

const ofType = <Type extends StreamPart['type']>(parts: readonly StreamPart[], type: Type) =>
  parts.filter((part): part is Extract<StreamPart, { type: Type }> => part.type === type)

test.describe('examples, with the scripted model', () => {
  test('01: the tool is called, and the answer has what it gave', async ({ blank }) => {
    const { parts, text } = await runExample(blank, '01-weather-tool')
    expect(ofType(parts, 'tool-call')).toMatchObject([{ name: 'get_weather', input: { city: 'Lisbon' } }])
    expect(text).toBe('It is 24 degrees and sun in Lisbon.')
    expect(parts.at(-1)).toMatchObject({ type: 'finish', finish: { reason: 'stop', steps: 2 } })
  })

  test('02: three calls are under way before the first is done', async ({ blank }) => {
    const { parts, text } = await runExample(blank, '02-parallel-tools')
    const types = parts.map(({ type }) => type)
    expect(ofType(parts, 'tool-progress')).toHaveLength(3)
    expect(types.lastIndexOf('tool-progress')).toBeLessThan(types.indexOf('tool-result'))
    expect(text).toBe('From Kristiansund, at 14:10.')
  })

  test('03: the citation is checked against its document', async ({ blank }) => {
    const { parts, text } = await runExample(blank, '03-retrieval-with-citations')
    expect(text).toBe('It opens at nine in the morning [1].')
    expect(ofType(parts, 'citation')).toMatchObject([{ verified: true, source: { title: 'Opening hours' } }])
  })

  test('04: the object grows, and fits in the end', async ({ blank }) => {
    const { parts } = await runExample(blank, '04-structured-answer')
    expect(parts.length).toBeGreaterThan(2)
    expect(parts[0]).not.toEqual(parts.at(-1))
    expect(parts.at(-1)).toEqual({ name: 'Ingrid', people: 4, day: 'Friday', window: true })
  })

  test('05: the router says whom it chose, who answers', async ({ blank }) => {
    const { parts, text } = await runExample(blank, '05-router')
    expect(ofType(parts, 'handoff')).toMatchObject([{ from: 'desk', to: 'mechanic', why: /noise/ }])
    expect(ofType(parts, 'text-delta').at(-1)?.agentPath).toEqual(['desk', 'mechanic'])
    expect(text).toContain('impeller')
  })

  test('06: members speak in turn until one agrees', async ({ blank }) => {
    const { parts, text } = await runExample(blank, '06-group-chat')
    const speakers = ofType(parts, 'text-delta').map(({ agentPath }) => agentPath?.at(-1))
    const turns = speakers.filter((name, at) => name !== undefined && name !== speakers[at - 1])
    expect(turns).toEqual(['Optimist', 'Sceptic', 'Optimist', 'Sceptic'])
    expect(text).toContain('Home by two.')
    expect(parts.at(-1)).toMatchObject({ type: 'finish', finish: { reason: 'stop', steps: 4 } })
  })

  test('07: nothing is done before the person agrees, or when they do not', async ({ blank }) => {
    const agreed = await runExample(blank, '07-approval')
    expect(agreed.asked).toEqual([{ to: 'Ola', text: 'The boat is ready.' }])
    const types = agreed.parts.map(({ type }) => type)
    expect(types.indexOf('approval-request')).toBeLessThan(types.indexOf('tool-result'))
    expect(agreed.text).toBe('Ola knows now.')
    const refused = await runExample(blank, '07-approval', { agrees: false })
    expect(ofType(refused.parts, 'tool-result')).toMatchObject([{ isError: true, output: /does not want/ }])
    expect(refused.text).toBe('I have not sent anything.')
  })

  test('08: code that fails is mended, and the answer is what it gives', async ({ blank }) => {
    const { parts, text } = await runExample(blank, '08-code-sandbox')
    const results = ofType(parts, 'tool-result')
    expect(results).toMatchObject([{ isError: true, output: /count is not defined/ }, { isError: false }])
    expect(text).toBe('The sum is 24133.')
  })

  test('09: a tool of an MCP server on the other side of a port', async ({ blank }) => {
    const { parts, text } = await runExample(blank, '09-mcp-server')
    expect(ofType(parts, 'tool-result')).toMatchObject([{ name: 'count_stock', isError: false }])
    expect(text).toBe('There are 42 anchors.')
  })

  test('10: one sentence of 120 pages is found and cited', async ({ blank }) => {
    const { parts, text } = await runExample(blank, '10-document-qa')
    expect(text).toBe('Ingrid Larsen mended it off Runde [1].')
    const quote = 'Ingrid Larsen mended the broken mast off Runde.'
    expect(ofType(parts, 'citation')).toMatchObject([{ verified: true, quote }])
    const [finish] = ofType(parts, 'finish')
    expect(finish?.finish.steps, 'calls of the model, one for each part and one for the answer').toBeGreaterThan(40)
  })

  test('11: a session goes on after a reload in the middle of its answer', async ({ blank }) => {
    const id = '11-session-across-a-reload'
    const cut = await runExample(blank, id, { delayMs: 60, leaveAfter: 20 })
    expect(cut.text.length).toBeGreaterThanOrEqual(20)
    await blank.reload()
    const again = await runExample(blank, id)
    expect(again.parts[0]).toMatchObject({ role: 'user', content: 'My boat is called Marigold.' })
    expect(again.text).toContain('I still know her name.')
    await blank.reload()
    const later = await runExample(blank, id)
    expect(later.text).toBe('Marigold, you told me.')
  })

  test('12: the inner agent is seen at its work, with its path', async ({ blank }) => {
    const { parts, text } = await runExample(blank, '12-agents-as-tools')
    const inner = ofType(parts, 'tool-call').find(({ name }) => name === 'calculator')
    expect(inner).toMatchObject({ agentPath: ['clerk', 'accountant'], input: { expression: '17 * 12.35' } })
    expect(text).toBe('They cost 209.95 euros.')
  })

  test('13: the second run knows what the first one remembered', async ({ blank }) => {
    const { parts, text } = await runExample(blank, '13-memory')
    expect(ofType(parts, 'tool-call').map(({ name }) => name)).toEqual(['remember', 'recall'])
    expect(text).toBe('I will remember that.Marigold.')
    expect(parts.at(-1)).toEqual({ remembered: [expect.stringContaining('Marigold')] })
  })

  test('all are here', async ({ blank }) => {
    const ids = await blank.evaluate(async () => (await import('/pages/examples.js')).examples.map(({ id }) => id))
    const { readdirSync } = await import('node:fs')
    const files = readdirSync(new URL('../../examples/', import.meta.url)).filter((name) => /^\d\d-/.test(name))
    expect(ids.map((id) => `${id}.ts`)).toEqual(files.sort())
  })
})

test.describe('examples, with a model of 135 million parameters', () => {
  test.skip(models.onnxChat === undefined, 'needs SmolLM2-135M-Instruct (ONNX) in ALCOVE_MODELS_DIR or models/')
  const model = models.onnxChat

  test('01: it calls the tool, and says what it gave', async ({ blank }) => {
    const { parts, text } = await runExample(blank, '01-weather-tool', { model })
    expect(ofType(parts, 'tool-call')).toMatchObject([{ name: 'get_weather', input: { city: 'Lisbon' } }])
    expect(text).toContain('24 degrees')
  })

  test('03: it answers from the documents', async ({ blank }) => {
    test.skip(models.embedding === undefined, 'needs all-MiniLM-L6-v2 in ALCOVE_MODELS_DIR or models/')
    const { parts, text } = await runExample(blank, '03-retrieval-with-citations', { model })
    expect(text).toContain('nine')
    const citations = ofType(parts, 'citation')
    expect(citations.length).toBeGreaterThan(0)
    expect(citations.some(({ verified, source }) => verified && source.title === 'Opening hours')).toBe(true)
  })

  test('04: its object fits the schema', async ({ blank }) => {
    const { parts } = await runExample(blank, '04-structured-answer', { model })
    expect(parts.length).toBeGreaterThan(1)
    const booking = parts.at(-1) as unknown as Record<string, unknown>
    expect(Object.keys(booking).sort()).toEqual(['day', 'name', 'people', 'window'])
    expect(typeof booking.people).toBe('number')
    expect(booking.day).toMatch(/^\w+day$/)
  })

  test('05: it chooses one that there is', async ({ blank }) => {
    const { parts, text } = await runExample(blank, '05-router', { model })
    const [handoff] = ofType(parts, 'handoff')
    expect(['cook', 'mechanic']).toContain(handoff?.to)
    expect(text.length).toBeGreaterThan(10)
  })

  test('11: it knows after a reload what was said before', async ({ blank }) => {
    const id = '11-session-across-a-reload'
    const first = await runExample(blank, id, { model })
    expect(first.parts.at(-1)).toMatchObject({
      type: 'finish',
      finish: { reason: expect.stringMatching(/stop|length/) },
    })
    await blank.reload()
    const later = await runExample(blank, id, { model })
    expect(later.parts[0]).toMatchObject({ role: 'user', content: 'My boat is called Marigold.' })
    expect(later.text, 'what only the first question says').toContain('Marigold')
  })
})
