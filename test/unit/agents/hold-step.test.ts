// Engines that take JSON schemas and no grammars: calls are held to one, the name before the arguments.
import { Validator } from '@cfworker/json-schema'
import { describe, expect, it } from 'vitest'
import { createAgent } from '../../../src/agents/agent.js'
import { callSchema } from '../../../src/agents/call-schema.js'
import { type ScriptedTurnSource, scriptedModel } from '../../../src/engines/scripted.js'
import type { ChatModel, ToolChoice } from '../../../src/protocol/model.js'
import { tool } from '../../../src/tools/tool.js'

const city = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
const weather = tool({ name: 'weather', description: 'Weather', input: city, execute: () => 'sunny' })
const time = tool({ name: 'time', description: 'Time', input: city, execute: () => '12:05' })

function schemaModel(turns: readonly ScriptedTurnSource[], dialect?: string) {
  const inner = scriptedModel(turns, { chunkSize: 3 })
  const capabilities = { ...inner.capabilities, tools: 'none', grammar: 'json-schema', dialect } as const
  return { model: { ...inner, capabilities } as unknown as ChatModel, requests: inner.requests }
}

const ask = async (
  turns: readonly ScriptedTurnSource[],
  toolChoice: ToolChoice,
  dialect?: string,
  tools = [weather, time],
) => {
  const { model, requests } = schemaModel(turns, dialect)
  const answer = await createAgent({ model, tools, toolChoice }).generate('What time is it in Oslo?')
  const calls = answer.messages.flatMap(({ content }) =>
    typeof content === 'string' ? [] : content.filter(({ type }) => type === 'tool-call'),
  )
  return { answer, calls, requests }
}

describe('an engine that knows JSON schemas only', () => {
  const call = '{"name": "time", "arguments": {"city": "Oslo"}}'

  it.each([undefined, 'hermes', 'lfm2'])(
    'chooses a tool by name, then writes its arguments (dialect %s)',
    async (dialect) => {
      const { answer, calls, requests } = await ask(['{"name":"time"}', call, 'It is 12:05.'], 'required', dialect)
      expect(calls).toMatchObject([{ name: 'time', input: { city: 'Oslo' } }])
      expect(answer).toMatchObject({ text: 'It is 12:05.', finish: { steps: 2 } })
      expect(requests[0]?.output).toMatchObject({ schema: { properties: { name: { enum: ['weather', 'time'] } } } })
      expect(requests[1]?.output).toEqual(callSchema(time))
      expect(requests[2]?.output).toBeUndefined()
      expect(answer.usage.completionTokens).toBeGreaterThan(4)
    },
  )

  it('needs one step for one tool, and for a name', async () => {
    const one = await ask([call, 'Done.'], 'required', undefined, [time])
    expect(one.requests.map(({ output }) => output)).toEqual([callSchema(time), undefined])
    const named = await ask([call, 'Done.'], { name: 'time' })
    expect(named.requests.map(({ output }) => output)).toEqual([callSchema(time), undefined])
    expect(named.calls).toHaveLength(1)
  })

  it('is free where it may answer, and where it names no tool', async () => {
    const free = await ask(['Noon.'], 'auto')
    expect(free.requests[0]?.output).toBeUndefined()
    const lost = await ask(['{"name":"', 'Noon.'], 'required')
    expect(lost.answer.text).toBe('Noon.')
    expect(lost.requests[1]?.output).toBeUndefined()
  })

  it('is stopped while it chooses', async () => {
    const { model } = schemaModel([() => new Promise(() => {})])
    const run = createAgent({ model, tools: [weather, time], toolChoice: 'required' }).stream('Go')
    setTimeout(() => run.abort(), 5)
    expect((await run.finish).reason).toBe('aborted')
  })
})

describe('the schema of a call', () => {
  const schemaOf = (inputSchema: object) => {
    const output = callSchema({ name: 'f', description: '', inputSchema: inputSchema as never })
    return output.type === 'json-schema' ? (output.schema as object) : {}
  }
  const fits = (inputSchema: object, call: unknown) =>
    new Validator(schemaOf(inputSchema), '2020-12').validate(call).valid

  it('has one name, arguments that fit, and nothing else', () => {
    expect(fits(city, { name: 'f', arguments: { city: 'Oslo' } })).toBe(true)
    expect(fits(city, { name: 'g', arguments: { city: 'Oslo' } })).toBe(false)
    expect(fits(city, { name: 'f', arguments: {} })).toBe(false)
    expect(fits(city, { name: 'f', arguments: { city: 'Oslo' }, more: 1 })).toBe(false)
  })

  it('keeps what references lead to', () => {
    const tree = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: {
        left: { $ref: '#' },
        size: { $ref: '#/$defs/size' },
        again: { $ref: '#/properties/size' },
        old: { $ref: '#/definitions/old' },
      },
      $defs: { size: { type: 'integer' } },
      definitions: { old: { $ref: '#/$defs/size' } },
    }
    const call = (input: unknown) => ({ name: 'f', arguments: input })
    expect(fits(tree, call({ left: { left: { size: 1 } }, again: 2, old: 3 }))).toBe(true)
    for (const bad of [{ left: { left: { size: 'x' } } }, { again: 'x' }, { old: 'x' }]) {
      expect(fits(tree, call(bad)), JSON.stringify(bad)).toBe(false)
    }
    expect(Object.keys(schemaOf(tree))).toContain('$defs')
  })
})
