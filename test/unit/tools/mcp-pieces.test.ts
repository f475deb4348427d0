import { describe, expect, test } from 'vitest'
import { createSseParser } from '../../../src/engines/http/sse.js'
import { headerValue, paramHeaders, readHeaderParams } from '../../../src/tools/mcp/stateless.js'
import { readMessage } from '../../../src/tools/mcp/wire.js'

describe('headers of 2026-07-28', () => {
  test.each([
    ['us-west1', 'us-west1'],
    ['Hello, 世界', '=?base64?SGVsbG8sIOS4lueVjA==?='],
    [' padded ', '=?base64?IHBhZGRlZCA=?='],
    ['line1\nline2', '=?base64?bGluZTEKbGluZTI=?='],
    ['=?base64?literal?=', '=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?='],
  ])('%j is %j, as the protocol has it', (value, header) => {
    expect(headerValue(value)).toBe(header)
  })

  const marked = (name: unknown, type = 'string') => ({ type, 'x-mcp-header': name })
  test('parameters that are marked go into headers, nested ones too', () => {
    const params = readHeaderParams({
      properties: {
        region: marked('Region'),
        inner: { type: 'object', properties: { count: marked('Count', 'integer') } },
        off: marked('Off', 'boolean'),
      },
    })
    expect(paramHeaders(params ?? [], { region: 'ü', inner: { count: 3 }, off: null })).toEqual({
      'mcp-param-region': '=?base64?w7w=?=',
      'mcp-param-count': '3',
    })
  })

  test.each([
    [{ properties: { a: marked('') } }],
    [{ properties: { a: marked('a b') } }],
    [{ properties: { a: marked('A', 'number') } }],
    [{ properties: { a: marked('A'), b: marked('a') } }],
    [{ properties: { a: { type: 'array', items: marked('A') } } }],
    [{ anyOf: [{ properties: { a: marked('A') } }] }],
  ])('marks %# that the protocol forbids make the tool unusable', (schema) => {
    expect(readHeaderParams(schema)).toBeUndefined()
  })
})

test.each([
  [{ jsonrpc: '2.0', id: 1, method: 'a' }, true],
  [{ jsonrpc: '2.0', method: 'a' }, true],
  [{ jsonrpc: '2.0', id: 1, result: null }, true],
  [{ jsonrpc: '2.0', id: null, error: { code: 1, message: 'x' } }, true],
  [{ jsonrpc: '2.0', id: 1 }, false],
  [{ jsonrpc: '2.0', id: {}, result: 1 }, false],
  [{ id: 1, result: 1 }, false],
  [[], false],
  ['text', false],
])('%j is a message: %s', (value, isMessage) => {
  expect(readMessage(value) !== undefined).toBe(isMessage)
})

test('an event stream tells its last id and how long to wait', () => {
  const parser = createSseParser()
  const push = (text: string) => parser.push(new TextEncoder().encode(text))
  expect(push('retry: 250\nid: a1\ndata: \n\nid: a2\ndata: x\n')).toEqual([{ event: 'message', data: '' }])
  // An id counts when its event is whole.
  expect([parser.lastEventId, parser.retryMs]).toEqual(['a1', 250])
  expect(push('\ndata: y\n\n')).toHaveLength(2)
  expect(parser.lastEventId).toBe('a2')
  push('retry: soon\nid: b\0ad\ndata: z\n\n')
  expect([parser.lastEventId, parser.retryMs]).toEqual(['a2', 250])
})
