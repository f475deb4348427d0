import { afterEach, describe, expect, test, vi } from 'vitest'
import { readLoadOptions } from '../../../src/engines/load-options.js'
import type { StatusPart } from '../../../src/protocol/stream-part.js'
import { onAbort } from '../../../src/runtime/abort.js'

const status: StatusPart = { type: 'status', status: 'loading', message: 'loading', modelId: 'a' }
afterEach(() => vi.unstubAllGlobals())

describe('options of a load', () => {
  test('what fits is passed on', () => {
    const { signal } = new AbortController()
    const seen: StatusPart[] = []
    const options = readLoadOptions('load', { signal, onProgress: (part) => seen.push(part) })
    options.onProgress?.(status)
    expect([options.signal, seen]).toEqual([signal, [status]])
    expect(readLoadOptions('load', undefined)).toEqual({})
  })

  test.each([
    ['signal', { signal: new AbortController() }, 'AbortController'],
    ['signal', { signal: null }, 'object'],
    ['signal', { signal: 'stop' }, 'string'],
    ['onProgress', { onProgress: 'x' }, 'string'],
    ['onProgress', { onProgress: null }, 'object'],
  ])('a wrong %s is named', (name, given, got) => {
    expect(() => readLoadOptions('load', given as never)).toThrow(
      expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(`load: ${name} .*${got}`) }),
    )
  })

  test('what onProgress throws is an error of the page, and stops no load', () => {
    const reported: unknown[] = []
    vi.stubGlobal('reportError', (error: unknown) => reported.push(error))
    const mistake = new Error('a mistake of the page')
    const { onProgress } = readLoadOptions('load', {
      onProgress() {
        throw mistake
      },
    })
    expect(() => onProgress?.(status)).not.toThrow()
    expect(reported).toEqual([mistake])
  })
})

test('what is no signal is named wherever a signal is taken', () => {
  expect(() => onAbort(new AbortController() as never, () => {})).toThrow(
    expect.objectContaining({ code: 'invalid-argument', message: expect.stringContaining('controller.signal') }),
  )
})
