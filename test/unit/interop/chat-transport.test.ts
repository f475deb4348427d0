import { describe, expect, test } from 'vitest'
import { createAgent } from '../../../src/agents/agent.js'
import { type ScriptedTurnSource, scriptedModel } from '../../../src/engines/scripted.js'
import { createChatTransport } from '../../../src/interop/ai-sdk/chat-transport.js'
import { readUiMessages } from '../../../src/interop/ai-sdk/ui-messages.js'
import type { UiChunk, UiMessage } from '../../../src/interop/ai-sdk/ui-types.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import { tool } from '../../../src/tools/tool.js'

const question: UiMessage = { id: 'q', role: 'user', parts: [{ type: 'text', text: 'Go.' } as never] }

async function collect(stream: ReadableStream<UiChunk>): Promise<UiChunk[]> {
  const all: UiChunk[] = []
  for await (const chunk of stream) all.push(chunk)
  return all
}

function setUp(turns: readonly ScriptedTurnSource[], options: { delayMs?: number; chunkSize?: number } = {}) {
  const model = scriptedModel(turns, options)
  const made: unknown[] = []
  const ask = tool({
    name: 'ask',
    description: 'Asks',
    needsApproval: true,
    execute: (input) => {
      made.push(input)
      return 'yes'
    },
  })
  const count = tool({
    name: 'count',
    description: 'Counts',
    execute: async (_, { report }) => {
      report({ done: 1 })
      return 3
    },
  })
  const fail = tool({ name: 'fail', description: 'Fails', execute: () => Promise.reject(new Error('broken')) })
  const agent = createAgent({ model, tools: [ask, count, fail] })
  return { model, made, agent, transport: createChatTransport(agent) }
}

/** The page's copy of an answer in which a person has answered. */
const answered = (approved: boolean, reason?: string): UiMessage => ({
  id: 'a',
  role: 'assistant',
  parts: [
    { type: 'step-start' },
    {
      type: 'tool-ask',
      toolCallId: 'call-1',
      state: 'approval-responded',
      input: { x: 1 },
      approval: { id: 'call-1', approved, ...(reason !== undefined && { reason }) },
    } as never,
  ],
})

describe('sendMessages', () => {
  test('streams steps, calls, progress, results and failures', async () => {
    const { transport } = setUp([
      { reasoning: 'Hm', text: 'I count.', toolCalls: [{ name: 'count' }, { name: 'fail' }] },
      { text: 'Three.' },
    ])
    const chunks = await collect(await transport.sendMessages({ chatId: 'c', messages: [question] }))
    const kinds = chunks.map(({ type }) => type).filter((type) => !type.startsWith('data-'))
    expect(kinds.slice(0, 8)).toEqual([
      'start',
      'start-step',
      'reasoning-start',
      'reasoning-delta',
      'reasoning-end',
      'text-start',
      'text-delta',
      'text-end',
    ])
    expect(chunks).toContainEqual({ type: 'tool-input-available', toolCallId: 'call-1', toolName: 'count', input: {} })
    expect(chunks).toContainEqual({
      type: 'tool-output-available',
      toolCallId: 'call-1',
      output: { done: 1 },
      preliminary: true,
    })
    expect(chunks).toContainEqual({ type: 'tool-output-available', toolCallId: 'call-1', output: 3 })
    const failed = { type: 'tool-output-error', toolCallId: 'call-2', errorText: expect.stringContaining('broken') }
    expect(chunks).toContainEqual(failed)
    expect(kinds.filter((type) => type === 'start-step')).toHaveLength(2)
    expect(kinds.slice(-3)).toEqual(['text-end', 'finish-step', 'finish'])
    expect(chunks.at(-1)).toEqual({ type: 'finish', finishReason: 'stop' })
  })

  test('a run that asks for approval goes on with the person’s answer', async () => {
    const call = { name: 'ask', input: { x: 1 } }
    const { transport, made, model } = setUp([{ toolCalls: [call, { name: 'count' }] }, 'Done.'])
    const first = await collect(await transport.sendMessages({ chatId: 'c', messages: [question] }))
    expect(first.at(-1)).toEqual({ type: 'tool-approval-request', approvalId: 'call-1', toolCallId: 'call-1' })
    expect(first).toContainEqual({ type: 'tool-output-available', toolCallId: 'call-2', output: 3 })
    expect(made).toEqual([])
    const rest = await collect(await transport.sendMessages({ chatId: 'c', messages: [question, answered(true)] }))
    expect(made).toEqual([{ x: 1 }])
    expect(rest).toContainEqual({ type: 'tool-output-available', toolCallId: 'call-1', output: 'yes' })
    expect(rest).toContainEqual({ type: 'text-delta', id: 'text-0', delta: 'Done.' })
    expect(rest.at(-1)).toMatchObject({ type: 'finish', finishReason: 'stop' })
    expect(model.requests).toHaveLength(2)
  })

  test('a denied call is told as denied, and the model why', async () => {
    const { transport, made, model } = setUp([{ toolCalls: [{ name: 'ask', input: { x: 1 } }] }, 'Then not.'])
    await collect(await transport.sendMessages({ chatId: 'c', messages: [question] }))
    const messages = [question, answered(false, 'too dear')]
    const rest = await collect(await transport.sendMessages({ chatId: 'c', messages }))
    expect(rest).toContainEqual({ type: 'tool-output-denied', toolCallId: 'call-1' })
    expect(made).toEqual([])
    expect(JSON.stringify(model.requests[1]?.messages)).toContain('too dear')
  })

  test('another question in place of an answer ends the run that waits', async () => {
    const { made, agent } = setUp([{ toolCalls: [{ name: 'ask' }] }, 'Something else.'])
    const runs: Promise<{ reason: string }>[] = []
    const spied = createChatTransport({
      stream: ((...given: Parameters<typeof agent.stream>) => {
        const run = agent.stream(...given)
        return new Proxy(run, {
          get(target, key) {
            if (key === 'abort') runs.push(target.finish)
            const value = Reflect.get(target, key, target)
            return typeof value === 'function' ? value.bind(target) : value
          },
        })
      }) as never,
    })
    await collect(await spied.sendMessages({ chatId: 'c', messages: [question] }))
    await collect(await spied.sendMessages({ chatId: 'c', messages: [question, { ...question, id: 'q2' }] }))
    expect((await runs[0])?.reason).toBe('aborted')
    expect(made).toEqual([])
  })

  test('stopping ends the run with an abort, not an error', async () => {
    const { transport } = setUp(['word '.repeat(1000)], { chunkSize: 5, delayMs: 1 })
    const own = new AbortController()
    const stream = await transport.sendMessages({ chatId: 'c', messages: [question], abortSignal: own.signal })
    const seen: UiChunk[] = []
    for await (const chunk of stream) {
      seen.push(chunk)
      if (seen.length === 6) own.abort()
    }
    expect(seen.at(-1)).toMatchObject({ type: 'abort', reason: 'Stopped by the user.' })
    expect(seen.length).toBeLessThan(15)
  })

  test('an error has a text that says what to do, or the page’s own', async () => {
    const turn = { error: new AlcoveError('out-of-memory', 'Full.') }
    const { transport, agent } = setUp([turn, turn])
    const chunks = await collect(await transport.sendMessages({ chatId: 'c', messages: [question] }))
    expect(chunks).toContainEqual({ type: 'error', errorText: 'Full. Choose a smaller model or close other tabs.' })
    expect(chunks.at(-1)).toEqual({ type: 'finish', finishReason: 'error' })
    const own = createChatTransport(agent, { errorText: ({ code }) => code, messageMetadata: ({ usage }) => usage })
    const others = await collect(await own.sendMessages({ chatId: 'c', messages: [question] }))
    expect(others).toContainEqual({ type: 'error', errorText: 'out-of-memory' })
    expect(others.at(-1)).toMatchObject({ messageMetadata: { cache: 'off' } })
  })

  test('there is nothing to reconnect to', async () => {
    expect(await setUp([]).transport.reconnectToStream()).toBeNull()
  })
})

test('a page’s messages become steps with calls and results', () => {
  const parts = [
    { type: 'step-start' },
    { type: 'text', text: 'I look.' },
    { type: 'tool-weather', toolCallId: 'a', state: 'output-available', input: { city: 'Rome' }, output: { sky: 1 } },
    { type: 'dynamic-tool', toolName: 'other', toolCallId: 'b', state: 'output-error', input: {}, errorText: 'no' },
    { type: 'tool-weather', toolCallId: 'c', state: 'input-available', input: {} },
    { type: 'tool-weather', toolCallId: 'd', state: 'input-streaming' },
    { type: 'step-start' },
    { type: 'source-url', url: 'https://example.org' },
    { type: 'text', text: 'Sunny.' },
  ]
  const file = { type: 'file', mediaType: 'image/png', url: 'data:image/png;base64,AQ==' }
  const messages: UiMessage[] = [
    { id: '1', role: 'user', parts: [{ type: 'text', text: 'How?' } as never, file] },
    { id: '2', role: 'assistant', parts },
  ]
  expect(readUiMessages(messages)).toEqual([
    {
      role: 'user',
      content: [
        { type: 'text', text: 'How?' },
        { type: 'image', mediaType: 'image/png', data: new Blob([new Uint8Array([1])], { type: 'image/png' }) },
      ],
    },
    {
      role: 'assistant',
      content: [
        { type: 'text', text: 'I look.' },
        { type: 'tool-call', callId: 'a', name: 'weather', input: { city: 'Rome' } },
        { type: 'tool-call', callId: 'b', name: 'other', input: {} },
        { type: 'tool-call', callId: 'c', name: 'weather', input: {} },
      ],
    },
    {
      role: 'tool',
      content: [
        { type: 'tool-result', callId: 'a', name: 'weather', output: { sky: 1 } },
        { type: 'tool-result', callId: 'b', name: 'other', output: 'no', isError: true },
        {
          type: 'tool-result',
          callId: 'c',
          name: 'weather',
          output: expect.stringContaining('interrupted'),
          isError: true,
        },
      ],
    },
    { role: 'assistant', content: 'Sunny.' },
  ])
})
