import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { nearestNames } from '../../../src/tools/nearest-names.js'
import { fatalToolError, isFatal, tool } from '../../../src/tools/tool.js'

const execute = () => 'ok'

describe('tool', () => {
  it('has defaults', () => {
    expect(tool({ name: 'a', description: 'd', execute })).toMatchObject({
      name: 'a',
      description: 'd',
      inputSchema: { type: 'object', properties: {} },
      timeoutMs: 30_000,
      retries: 0,
      cache: false,
    })
  })

  it.each([
    [{ name: '', execute }],
    [{ name: 'two words', execute }],
    [{ name: 'a<b', execute }],
    [{ name: 'a' }],
    [{ name: 'a', execute, timeoutMs: 0 }],
    [{ name: 'a', execute, input: 'schema' }],
    [{ name: 'a', execute, input: { '~standard': { version: 1, vendor: 'x', validate: () => ({ value: 1 }) } } }],
  ])('refuses %j', (options) => {
    expect(() => tool(options as never)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })

  it('takes the JSON Schema of a Standard Schema in each way that libraries give it', async () => {
    const schema = z.object({ a: z.string() })
    expect(tool({ name: 'a', description: '', input: schema, execute }).inputSchema).toEqual({
      type: 'object',
      properties: { a: { type: 'string' } },
      required: ['a'],
    })
    const own = {
      '~standard': { version: 1 as const, vendor: 'x', validate: (value: unknown) => ({ value: { doubled: value } }) },
      toJSONSchema: () => ({ type: 'object', title: 'own' }),
    }
    const made = tool({ name: 'b', description: '', input: own, execute })
    expect(made.inputSchema).toEqual({ type: 'object', title: 'own' })
    expect(await made.checkInput({ x: 1 })).toEqual({ isValid: true, input: { doubled: { x: 1 } } })
  })

  it('checks unions, additional properties and formats of JSON Schema', async () => {
    const made = tool({
      name: 'a',
      description: '',
      input: {
        type: 'object',
        properties: {
          at: {
            oneOf: [
              { type: 'string', format: 'date' },
              { type: 'integer', minimum: 0 },
            ],
          },
        },
        additionalProperties: false,
      },
      execute,
    })
    expect((await made.checkInput({ at: '2024-02-29' })).isValid).toBe(true)
    expect((await made.checkInput({ at: 3 })).isValid).toBe(true)
    expect((await made.checkInput({ at: -1 })).isValid).toBe(false)
    const check = await made.checkInput({ other: 1 })
    expect(check.isValid ? [] : check.problems).toEqual(['other: not expected here'])
  })

  it('knows fatal errors', () => {
    expect(isFatal(fatalToolError('x'))).toBe(true)
    expect(isFatal(Object.assign(new Error('x'), { fatal: true }))).toBe(true)
    expect(isFatal(new Error('x'))).toBe(false)
    expect(isFatal(undefined)).toBe(false)
  })
})

describe('nearestNames', () => {
  it('finds names that differ by a few letters, case or separators', () => {
    const names = ['get_weather', 'getTime', 'search', 'send_mail']
    expect(nearestNames('getWeather', names)[0]).toBe('get_weather')
    expect(nearestNames('weather', names)).toEqual(['get_weather'])
    expect(nearestNames('serch', names)).toEqual(['search'])
    expect(nearestNames('xyz', names)).toEqual([])
  })
})
