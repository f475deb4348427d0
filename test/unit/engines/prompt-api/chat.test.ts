import { describe, expect, test } from 'vitest'
import { createPromptApiChat, inspectPromptApi, requireAvailable } from '../../../../src/engines/prompt-api/chat.js'
import { createDeltaReader } from '../../../../src/engines/prompt-api/deltas.js'
import type { ModelRequest } from '../../../../src/protocol/model.js'
import type { StatusPart } from '../../../../src/protocol/stream-part.js'
import { chatModelContract } from '../../../../src/testing-contracts.js'
import { ask, ofType, readParts } from '../http/open-model.js'
import { type FakeOptions, fakeLanguageModel } from './fake-language-model.js'

const open = async (options: FakeOptions = {}) => {
  const languageModel = fakeLanguageModel(options)
  return { languageModel, model: await createPromptApiChat({ languageModel }) }
}

describe('the contract, on a model that follows the specification', () => {
  chatModelContract({ test, expect }, async () => (await open({ delayMs: 2 })).model)
})

describe('the contract, on a model as the first browsers had it', () => {
  chatModelContract({ test, expect }, async () => (await open({ delayMs: 2, old: true })).model)
})

describe('availability', () => {
  test.each(['unavailable', 'downloadable', 'downloading', 'available'] as const)(
    '%s is told as it is',
    async (availability) => {
      const found = await inspectPromptApi({ languageModel: fakeLanguageModel({ availability }) })
      expect(found.state).toBe(availability)
      if (availability === 'unavailable') expect(found.error).toMatchObject({ code: 'model-not-found' })
    },
  )

  test('nobody who did not name it has it fetched', async () => {
    const ask = (availability: 'downloadable' | 'available' | 'unavailable') =>
      requireAvailable({ languageModel: fakeLanguageModel({ availability }) })
    await ask('available')
    await expect(ask('downloadable')).rejects.toMatchObject({ code: 'download-refused' })
    await expect(ask('unavailable')).rejects.toMatchObject({ code: 'model-not-found' })
  })

  test('a browser without one says so, as does its load', async () => {
    expect(await inspectPromptApi()).toMatchObject({ state: 'unavailable', error: { code: 'model-not-found' } })
    await expect((await createPromptApiChat()).load()).rejects.toMatchObject({ code: 'model-not-found' })
  })

  test('a download shows how it goes', async () => {
    const { model } = await open({ availability: 'downloadable', isActive: true })
    const statuses: StatusPart[] = []
    await model.load({ onProgress: (status) => statuses.push(status) })
    expect(statuses.map(({ status, message }) => `${status}: ${message}`)).toEqual([
      'loading: The browser fetches its model: 0 %',
      'loading: The browser fetches its model: 50 %',
      "loading: Preparing the browser's model",
    ])
  })

  test('a download without a click is refused with what to do', async () => {
    const { model } = await open({ availability: 'downloadable' })
    await expect(model.load()).rejects.toMatchObject({
      code: 'permission-denied',
      hint: expect.stringContaining('click'),
    })
  })
})

describe('a conversation', () => {
  const system = { role: 'system', content: 'Be brief.' } as const
  const user = (content: string) => ({ role: 'user', content }) as const
  const assistant = (content: string) => ({ role: 'assistant', content }) as const

  test('that goes on sends only what is new, and says what was kept', async () => {
    const { model, languageModel } = await open()
    await model.load()
    const first = { messages: [system, user('What is the sea?')] }
    const { text } = await readParts(model, first)
    const second = { messages: [...first.messages, assistant(text), user('And the sky?')] }
    const { parts } = await readParts(model, second)
    expect(languageModel.log.map(({ call }) => call)).toEqual(['create', 'create', 'clone', 'prompt', 'prompt'])
    expect(languageModel.log.at(-1)?.input).toEqual([{ role: 'user', content: 'And the sky?' }])
    expect(languageModel.log[1]?.input).toEqual([{ role: 'system', content: 'Be brief.' }])
    const usage = ofType(parts, 'model-usage')[0]?.usage
    expect(usage?.cachedTokens).toBeGreaterThan(0)
    expect(usage?.cachedTokens).toBeLessThan(usage?.promptTokens ?? 0)
  })

  test('that was changed begins anew, from the system message that is read already', async () => {
    const { model, languageModel } = await open()
    await readParts(model, { messages: [system, user('One?')] })
    await readParts(model, { messages: [system, user('Two?'), assistant('No.'), user('Three?')] })
    expect(languageModel.log.filter(({ call }) => call === 'create')).toHaveLength(2)
    expect(languageModel.log.at(-2)?.call).toBe('clone')
    expect(languageModel.log.at(-1)?.input).toHaveLength(3)
  })

  test('whose answer was cut or aborted is not gone on with', async () => {
    const { model, languageModel } = await open({ delayMs: 2 })
    const messages = [user('Go on?')]
    const cut = await readParts(model, { messages, sampling: { maxTokens: 2 } })
    expect(cut.text).toBe('The sea ')
    expect(cut.parts.at(-1)).toEqual({ type: 'model-finish', reason: 'length' })
    const controller = new AbortController()
    const onPart = (part: { type: string }) => part.type === 'text-delta' && controller.abort()
    const aborted = await readParts(model, { messages }, { signal: controller.signal, onPart })
    expect(aborted.error?.code).toBe('aborted')
    await readParts(model, { messages: [...messages, assistant('The sea '), user('More')] })
    expect(languageModel.log.filter(({ call }) => call === 'clone')).toHaveLength(3)
  })

  test('keeps few sessions, and none after dispose', async () => {
    const { model, languageModel } = await open()
    for (const name of ['a', 'b', 'c', 'd'])
      await readParts(model, { messages: [{ role: 'system', content: name }, user('?')] })
    expect(languageModel.sessions.filter(({ isDestroyed }) => !isDestroyed)).toHaveLength(2)
    await model.dispose()
    expect(languageModel.sessions.every(({ isDestroyed }) => isDestroyed)).toBe(true)
  })
})

describe('a request', () => {
  test('with a schema is constrained; a grammar is refused', async () => {
    const schema = { type: 'object', properties: { n: { type: 'number' } } }
    const { model, languageModel } = await open({
      answer: (_, { responseConstraint }) => [responseConstraint ? '{"n":1}' : 'no'],
    })
    expect((await readParts(model, ask('?', { output: { type: 'json-schema', schema } }))).text).toBe('{"n":1}')
    expect(languageModel.log.at(-1)?.options).toMatchObject({ responseConstraint: schema })
    const grammar = { type: 'grammar', grammar: 'root ::= "a"', syntax: 'gbnf' } as const
    expect((await readParts(model, ask('?', { output: grammar }))).error?.code).toBe('invalid-argument')
  })

  test('with a picture goes to a session that expects it; without the capability it is refused', async () => {
    const picture = new Blob(['x'], { type: 'image/png' })
    const request: ModelRequest = {
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image', data: picture, mediaType: 'image/png' },
          ],
        },
      ],
    }
    const seeing = await open({ images: true })
    expect(seeing.model.capabilities.inputs).toEqual(['text', 'image'])
    await readParts(seeing.model, request)
    expect(seeing.languageModel.log.at(-1)?.input).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', value: 'What is this?' },
          { type: 'image', value: picture },
        ],
      },
    ])
    expect((await readParts((await open()).model, request)).error?.code).toBe('invalid-argument')
  })

  test('that ends with a beginning of the answer has it as a prefix', async () => {
    const { model, languageModel } = await open()
    await readParts(model, {
      messages: [
        { role: 'user', content: '?' },
        { role: 'assistant', content: 'The ' },
      ],
    })
    expect(languageModel.log.at(-1)?.input).toEqual([
      { role: 'user', content: '?' },
      { role: 'assistant', content: 'The ', prefix: true },
    ])
  })

  test('that is too long is an overflow with both numbers, and its length is counted by the browser', async () => {
    const { model } = await open({ contextWindow: 20 })
    const long = ask('word '.repeat(50))
    await model.load()
    expect(model.contextTokens).toBe(20)
    expect(await model.countTokens(long)).toBeGreaterThan(50)
    const { error } = await readParts(model, long)
    expect(error).toMatchObject({ code: 'context-overflow', details: { contextTokens: 20 } })
    expect((await readParts(model, ask('short'))).text).toBe('The sea is wide.')
  })

  test('ends at its stop texts', async () => {
    const { model } = await open()
    const { text, parts } = await readParts(model, ask('?', { sampling: { stop: ['is w'] } }))
    expect(text).toBe('The sea ')
    expect(parts.at(-1)).toEqual({ type: 'model-finish', reason: 'stop' })
  })
})

describe('streams', () => {
  const read = (chunks: string[]) => {
    const reader = createDeltaReader()
    return [...chunks.map((chunk) => reader.push(chunk)), reader.end()].join('')
  }
  test.each([
    [['The', ' sea', ' is'], 'The sea is'],
    [['The', 'The sea', 'The sea is'], 'The sea is'],
    [['1', '10', '2'], '1102'],
    [['ha', 'ha', 'ha!'], 'hahaha!'],
    [['Hello', 'Hello there'], 'Hello there'],
    [['a', 'ab'], 'aab'],
    [['', 'Hello', '', ' you'], 'Hello you'],
    [[], ''],
  ])('%j is %j', (chunks, text) => expect(read(chunks)).toBe(text))
})
