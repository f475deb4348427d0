import { expose, wrap } from 'comlink'
import { describe, expect, test } from 'vitest'
import { AlcoveError } from '../../../src/protocol/error.js'
import { fromErrorInfo, installErrorTransfer, toErrorInfo } from '../../../src/rpc/error-wire.js'

describe('an error as data', () => {
  test('there and back it is the same, and can be cloned', () => {
    const error = new AlcoveError('network', 'off', {
      hint: 'Go online.',
      retryable: false,
      details: { status: 0, list: [1] },
      cause: new Error('hidden'),
    })
    const back = fromErrorInfo(structuredClone(toErrorInfo(error)))
    const { code, message, hint, retryable, details } = error
    expect(back).toBeInstanceOf(AlcoveError)
    expect(back).toMatchObject({ code, message, hint, retryable, details })
  })

  test('leaves out what cannot be cloned, and keeps the rest', () => {
    const error = new AlcoveError('tool-failed', 'x', { details: { tool: 'a', callback: () => {} } })
    expect(toErrorInfo(error).details).toEqual({ tool: 'a' })
    expect('details' in toErrorInfo(new AlcoveError('tool-failed', 'x'))).toBe(false)
  })

  test('knows the errors of the platform, and gives others the code it is told', () => {
    expect(toErrorInfo(new DOMException('stop', 'AbortError')).code).toBe('aborted')
    expect(toErrorInfo(new DOMException('full', 'QuotaExceededError')).code).toBe('quota-exceeded')
    expect(toErrorInfo(new RangeError('bad'), 'parse-failed')).toMatchObject({ code: 'parse-failed', message: 'bad' })
    expect(toErrorInfo('a text')).toMatchObject({ message: 'a text' })
    for (const words of [
      'Failed to fetch dynamically imported module: https://a/b.js',
      'error loading dynamically imported module: https://a/b.js',
      'Importing a module script failed.',
    ]) {
      const missing = toErrorInfo(new TypeError(words), 'model-load-failed')
      expect(missing).toMatchObject({ code: 'network', hint: expect.stringContaining('reload') })
    }
  })
})

test('Comlink carries it both ways, after any number of installs', async () => {
  installErrorTransfer()
  installErrorTransfer()
  const { port1, port2 } = new MessageChannel()
  const api = {
    async fail() {
      throw new AlcoveError('device-lost', 'gone', { hint: 'Wait.', details: { adapter: 'x' }, retryable: false })
    },
    async relay(callback: () => Promise<void>) {
      await callback()
    },
  }
  expose(api, port1)
  const remote = wrap<typeof api>(port2)
  await expect(remote.fail()).rejects.toMatchObject({
    name: 'AlcoveError',
    code: 'device-lost',
    hint: 'Wait.',
    details: { adapter: 'x' },
    retryable: false,
  })
  port1.close()
  port2.close()
})
