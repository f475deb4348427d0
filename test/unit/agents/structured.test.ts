import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { createAgent } from '../../../src/agents/agent.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import { tool } from '../../../src/tools/tool.js'

const person = z.object({ name: z.string(), age: z.number().int(), tags: z.array(z.string()).default([]) })
const jsonPerson = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer' } },
  required: ['name', 'age'],
  additionalProperties: false,
}

function constrainable(model: ReturnType<typeof scriptedModel>, tools: 'native' | 'none' = 'native') {
  return { ...model, capabilities: { ...model.capabilities, grammar: 'json-schema' as const, tools } }
}

describe('a structured answer', () => {
  it('is a typed and validated object, as the schema’s library made it', async () => {
    const model = scriptedModel(['{"name": "Ada", "age": 36}'])
    const { object, text, finish } = await createAgent({ model }).generate('Who?', { schema: person })
    expectTypeOf(object).toEqualTypeOf<{ name: string; age: number; tags: string[] }>()
    expect(object).toEqual({ name: 'Ada', age: 36, tags: [] })
    expect(text).toBe('{"name": "Ada", "age": 36}')
    expect(finish).toEqual({ reason: 'stop', steps: 1 })
  })

  it('takes a JSON Schema, whose objects are unknown; without a schema there is none', async () => {
    const agent = createAgent({ model: scriptedModel(['{"name":"Ada","age":36}', 'hi']) })
    const { object } = await agent.generate('Who?', { schema: jsonPerson })
    expectTypeOf(object).toEqualTypeOf<unknown>()
    expect(object).toEqual({ name: 'Ada', age: 36 })
    const plain = await agent.generate('Hi', { signal: undefined })
    expectTypeOf(plain.object).toEqualTypeOf<undefined>()
    expect(plain.object).toBeUndefined()
  })

  it.each([
    ['fenced', 'Here you are:\n```json\n{"name": "Ada", "age": 36}\n```\nAnything else?'],
    ['in prose', 'The answer is {"name": "Ada", "age": 36}, I think.'],
    ['with single quotes and a trailing comma', "{'name': 'Ada', age: 36,}"],
    ['without its last brace', '{"name": "Ada", "age": 36'],
  ])('is repaired: %s', async (_, text) => {
    const { object } = await createAgent({ model: scriptedModel([text]) }).generate('Who?', { schema: jsonPerson })
    expect(object).toEqual({ name: 'Ada', age: 36 })
  })

  it('takes values that are no objects', async () => {
    const ask = (text: string, schema: z.ZodType) =>
      createAgent({ model: scriptedModel([text]) }).generate('?', { schema })
    expect((await ask('[1, 2]', z.array(z.number()))).object).toEqual([1, 2])
    expect((await ask(' true ', z.boolean())).object).toBe(true)
    expect((await ask('"yes"', z.enum(['yes', 'no']))).object).toBe('yes')
    expect((await ask('null', z.null())).object).toBeNull()
  })

  it('is told to the model, and to the engine as a constraint where that has grammars', async () => {
    const free = scriptedModel(['{"name":"Ada","age":36}'])
    await createAgent({ model: free, instructions: 'Be brief.' }).generate('Who?', { schema: jsonPerson })
    expect(free.requests[0]?.output).toBeUndefined()
    const content = String(free.requests[0]?.messages[1]?.content)
    expect(content).toMatch(/^Who\?\n\n/)
    expect(content).toContain(JSON.stringify(jsonPerson))
    expect(free.requests[0]?.messages[0]).toEqual({ role: 'system', content: 'Be brief.' })
    const held = scriptedModel(['{"name":"Ada","age":36}'])
    await createAgent({ model: constrainable(held) }).generate('谁？', { schema: jsonPerson })
    expect(held.requests[0]?.output).toEqual({ type: 'json-schema', schema: jsonPerson })
    expect(String(held.requests[0]?.messages[0]?.content)).toContain('只用 JSON 回答')
  })

  it('is not constrained while calls are written as text, but in the last answer', async () => {
    const look = tool({ name: 'look', description: '', execute: () => 'Ada, 36' })
    const model = scriptedModel([
      '<tool_call>\n{"name": "look", "arguments": {}}\n</tool_call>',
      'She is Ada.',
      '{"name":"Ada","age":36}',
    ])
    const agent = createAgent({ model: constrainable(model, 'none'), tools: [look], dialect: 'hermes' })
    const { object, finish } = await agent.generate('Who?', { schema: jsonPerson })
    expect(object).toEqual({ name: 'Ada', age: 36 })
    expect(finish).toEqual({ reason: 'stop', steps: 3 })
    expect(model.requests.map(({ output }) => output?.type)).toEqual([undefined, undefined, 'json-schema'])
  })

  it('and calls are constrained together where the engine takes a grammar', async () => {
    const look = tool({ name: 'look', description: '', input: jsonPerson, execute: () => 'Ada, 36' })
    const grammars = async (options: Parameters<ReturnType<typeof createAgent>['generate']>[1]) => {
      const scripted = scriptedModel([
        '<tool_call>\n{"name": "look", "arguments": {"name": "A", "age": 1}}\n</tool_call>',
        '{"name":"Ada","age":36}',
      ])
      const capabilities = { ...scripted.capabilities, grammar: 'gbnf' as const, tools: 'none' as const }
      await createAgent({ model: { ...scripted, capabilities }, tools: [look] }).generate('Who?', options)
      return scripted.requests.map(({ output }) => (output?.type === 'grammar' ? output.grammar : undefined))
    }
    const [free] = await grammars({})
    const [held] = await grammars({ schema: jsonPerson })
    expect(free).toContain('look')
    expect(held).toContain('look')
    expect(held).not.toBe(free)
  })

  it('is asked for again once, with the problems; the first try is no message of the run', async () => {
    const model = scriptedModel(['{"name": "Ada"}', '{"name": "Ada", "age": 36}'])
    const { object, messages, finish } = await createAgent({ model }).generate('Who?', { schema: jsonPerson })
    expect(object).toEqual({ name: 'Ada', age: 36 })
    expect(finish).toEqual({ reason: 'stop', steps: 2 })
    const [first, second] = model.requests
    expect(second?.messages.slice(0, 1)).toEqual(first?.messages)
    expect(second?.messages[1]).toEqual({ role: 'assistant', content: '{"name": "Ada"}' })
    expect(second?.messages[2]?.content).toContain('age: expected a value, got nothing')
    expect(messages).toEqual([{ role: 'assistant', content: '{"name": "Ada", "age": 36}' }])
  })

  it('fails with output-invalid, and says why', async () => {
    const model = scriptedModel(['I do not know.', '{"name": 1, "age": 36}'])
    const agent = createAgent({ model })
    await expect(agent.generate('Who?', { schema: jsonPerson })).rejects.toMatchObject({
      code: 'output-invalid',
      details: { problems: ['name: expected string, got 1'], text: '{"name": 1, "age": 36}' },
    })
    expect(model.requests).toHaveLength(2)
    expect(model.requests[1]?.messages.at(-1)?.content).toContain('expected JSON, got "I do not know."')
  })

  it('is asked for again as often as the run says', async () => {
    const model = scriptedModel(['one', 'two', 'three', '{"name": "Ada", "age": 36}'])
    const agent = createAgent({ model })
    await expect(agent.generate('Who?', { schema: jsonPerson, repairs: 0 })).rejects.toMatchObject({
      code: 'output-invalid',
      details: { text: 'one', reason: 'stop' },
    })
    expect(model.requests).toHaveLength(1)
    const { object } = await agent.generate('Who?', { schema: jsonPerson, repairs: 2 })
    expect(object).toEqual({ name: 'Ada', age: 36 })
  })

  it('does not take an answer that was cut off for a whole one', async () => {
    const cut = (text: string) =>
      new ReadableStream({
        start(controller) {
          controller.enqueue({ type: 'text-delta', text })
          controller.enqueue({ type: 'model-finish', reason: text.endsWith('}') ? 'stop' : 'length' })
          controller.close()
        },
      })
    const texts = ['{"name": "Ada Lov', '{"name": "Ada"}']
    const model = { ...scriptedModel([]), stream: () => cut(texts.shift() ?? '') }
    const schema = z.object({ name: z.string() })
    const { object } = await createAgent({ model: model as never }).generate('Who?', { schema })
    expect(object).toEqual({ name: 'Ada' })
  })

  it('refuses what is no schema, before the model is called', async () => {
    const model = scriptedModel(['never'])
    const noJsonSchema = { '~standard': { version: 1, vendor: 'x', validate: () => ({ value: 1 }) } }
    for (const schema of ['text', 1, [], noJsonSchema]) {
      const run = createAgent({ model }).stream('Who?', { schema: schema as never })
      expect((await run.finish).error).toMatchObject({ code: 'invalid-argument' })
    }
    expect(model.requests).toHaveLength(0)
    const broken = createAgent({ model: scriptedModel(['{}', '{}']) })
    await expect(broken.generate('?', { schema: { $ref: '#/nowhere' } })).rejects.toMatchObject({
      code: 'invalid-argument',
    })
  })

  it('is missing when the run pauses, and there when it is resumed', async () => {
    const pay = tool({ name: 'pay', description: '', needsApproval: true, execute: () => 'paid' })
    const paused = await createAgent({
      model: scriptedModel([{ toolCalls: [{ name: 'pay' }] }]),
      tools: [pay],
    }).generate('Who?', { schema: person })
    expect(paused.finish.reason).toBe('paused')
    expect(paused.object).toBeUndefined()
    const model = scriptedModel(['{"name":"Ada","age":36}'])
    const run = createAgent({ model, tools: [pay] }).resume(paused.state as never, { schema: person })
    run.approve('call-1')
    expect((await run.object).name).toBe('Ada')
    expect(String(model.requests[0]?.messages[0]?.content).match(/JSON Schema/g)).toHaveLength(1)
  })

  it('fails when the run ends before there is one', async () => {
    const look = tool({ name: 'look', description: '', execute: () => 'x' })
    const run = createAgent({
      model: scriptedModel([{ toolCalls: [{ name: 'look' }] }]),
      tools: [look],
      stopWhen: () => true,
    }).stream('Who?', { schema: person })
    expect((await run.finish).reason).toBe('tool-calls')
    await expect(run.object).rejects.toMatchObject({ code: 'output-invalid' })
  })
})

describe('partialObject', () => {
  it('streams the growing object, and last the checked one', async () => {
    const model = scriptedModel(['{"name": "Ada", "age": 36}'], { chunkSize: 3 })
    const run = createAgent({ model }).stream('Who?', { schema: person })
    const seen: unknown[] = []
    for await (const object of run.partialObject) {
      expectTypeOf(object).toEqualTypeOf<{ name?: string; age?: number; tags?: string[] }>()
      seen.push(object)
    }
    expect(seen[0]).toEqual({})
    expect(seen).toContainEqual({ name: 'Ad' })
    expect(seen).not.toContainEqual({ name: 'Ada', age: 3 })
    expect(seen.at(-1)).toEqual({ name: 'Ada', age: 36, tags: [] })
    expect(await run.object).toEqual({ name: 'Ada', age: 36, tags: [] })
  })

  it('begins anew with the second try, and errors with the run', async () => {
    const model = scriptedModel(['{"name": "Bob"}', '{"name": "Ada", "age": 36}'], { chunkSize: 5 })
    const seen: unknown[] = []
    for await (const object of createAgent({ model }).stream('Who?', { schema: jsonPerson }).partialObject) {
      seen.push(object)
    }
    expect(seen).toContainEqual({ name: 'Bob' })
    expect(seen.at(-1)).toEqual({ name: 'Ada', age: 36 })
    const failing = createAgent({ model: scriptedModel(['{"name": 1}', 'no']) }).stream('Who?', { schema: jsonPerson })
    await expect(async () => {
      for await (const object of failing.partialObject) seen.push(object)
    }).rejects.toMatchObject({ code: 'output-invalid' })
  })

  it('takes the reader, cancels the run when it is left, and needs a schema', async () => {
    const agent = createAgent({ model: scriptedModel(['{"name": "Ada"}', 'x'], { chunkSize: 1 }) })
    const run = agent.stream('Who?', { schema: jsonPerson })
    for await (const _ of run.partialObject) break
    expect((await run.finish).reason).toBe('aborted')
    expect(run.locked).toBe(true)
    const plain = agent.stream('Hi')
    expect(() => plain.partialObject).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })
})
