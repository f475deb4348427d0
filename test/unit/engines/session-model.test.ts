import { describe, expect, test } from 'vitest'
import {
  createSessionModel,
  type ModelSession,
  type OpenContext,
  type SessionModelOptions,
} from '../../../src/engines/session-model.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import type { ModelPart, ModelRequest } from '../../../src/protocol/model.js'
import { iterate } from '../../../src/runtime/stream.js'

const request = (content: string): ModelRequest => ({ messages: [{ role: 'user', content }] })
const tick = () => new Promise((resolve) => setTimeout(resolve, 1))

interface FakeSession extends ModelSession {
  spent: boolean
  closed: boolean
}

/** A session that writes `<text>0`, `<text>1`, … and needs a tick to stop. */
function fakeSession(log: string[], count = 3): FakeSession {
  return {
    contextTokens: 99,
    spent: false,
    closed: false,
    async *generate({ messages }, signal): AsyncGenerator<ModelPart> {
      const name = String(messages[0]?.content)
      log.push(`start ${name}`)
      try {
        for (let index = 0; index < count && !signal.aborted; index++) {
          await tick()
          yield { type: 'text-delta', text: `${name}${index}` }
        }
        yield { type: 'model-finish', reason: 'stop' }
      } finally {
        await tick()
        log.push(`free ${name}`)
      }
    },
    countTokens: async () => 7,
    async close() {
      this.closed = true
    },
  }
}

function modelOf(open: (context: OpenContext) => Promise<ModelSession>, rest: Partial<SessionModelOptions> = {}) {
  return createSessionModel({
    id: 'wllama:x/y.gguf',
    contextTokens: 10,
    capabilities: { tools: 'none', grammar: 'none', inputs: ['text'], prefixReuse: true, trust: 'answer' },
    check: () => {},
    open,
    ...rest,
  })
}

const textOf = async (stream: ReadableStream<ModelPart>) => {
  let text = ''
  for await (const part of iterate(stream)) if (part.type === 'text-delta') text += part.text
  return text
}
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error) => (error as AlcoveError).code,
  )

describe('a model over sessions', () => {
  test('runs requests one by one and loads once', async () => {
    const log: string[] = []
    let opened = 0
    const model = modelOf(async () => {
      opened++
      await tick()
      return fakeSession(log)
    })
    expect(model.contextTokens).toBe(10)
    const texts = await Promise.all([
      textOf(model.stream(request('a'))),
      textOf(model.stream(request('b'))),
      model.load(),
    ])
    expect(texts.slice(0, 2)).toEqual(['a0a1a2', 'b0b1b2'])
    expect(log).toEqual(['start a', 'free a', 'start b', 'free b'])
    expect(opened).toBe(1)
    expect(model.contextTokens).toBe(99)
  })

  test('gives the progress of the load as parts before the text', async () => {
    const model = modelOf(async ({ report }) => {
      report({ type: 'status', status: 'loading', message: 'half', loadedBytes: 1, totalBytes: 2 })
      return fakeSession([])
    })
    const types: string[] = []
    for await (const part of iterate(model.stream(request('a')))) types.push(part.type)
    expect(types).toEqual(['status', 'text-delta', 'text-delta', 'text-delta', 'model-finish'])
  })

  test('an abort settles at once, the next request waits until the engine is free', async () => {
    const log: string[] = []
    const model = modelOf(async () => fakeSession(log, 1_000))
    const controller = new AbortController()
    const reader = model.stream(request('a'), { signal: controller.signal }).getReader()
    await reader.read()
    const pending = reader.read()
    controller.abort()
    expect(await codeOf(pending)).toBe('aborted')
    expect(log).toEqual(['start a'])
    const next = model.stream(request('b')).getReader()
    expect((await next.read()).value).toMatchObject({ status: 'queued', position: 1 })
    await next.read()
    expect(log).toEqual(['start a', 'free a', 'start b'])
    await next.cancel()
    expect(log.at(-1)).toBe('free b')
  })

  test('aborting a queued request leaves the running one alone', async () => {
    const log: string[] = []
    const model = modelOf(async () => fakeSession(log, 5))
    const running = textOf(model.stream(request('a')))
    await tick()
    const controller = new AbortController()
    const queued = textOf(model.stream(request('b'), { signal: controller.signal }))
    await tick()
    controller.abort()
    expect(await codeOf(queued)).toBe('aborted')
    expect(await running).toBe('a0a1a2a3a4')
    expect(await textOf(model.stream(request('c')))).toBe('c0c1c2c3c4')
    expect(log.join()).not.toContain('start b')
  })

  test('an aborted load is thrown away behind the caller', async () => {
    const sessions: FakeSession[] = []
    let finish = () => {}
    const model = modelOf(async () => {
      await new Promise<void>((resolve) => {
        finish = resolve
      })
      const session = fakeSession([])
      sessions.push(session)
      return session
    })
    const controller = new AbortController()
    const load = model.load({ signal: controller.signal })
    await tick()
    controller.abort()
    expect(await codeOf(load)).toBe('aborted')
    finish()
    await tick()
    expect(sessions.map((session) => session.closed)).toEqual([true])
    const again = model.load()
    await tick()
    finish()
    await again
    expect(sessions.map((session) => session.closed)).toEqual([true, false])
  })

  test('dispose while it loads ends that load; a failed load can be tried again', async () => {
    let attempts = 0
    const model = modelOf(async () => {
      attempts++
      await tick()
      if (attempts === 2) throw new AlcoveError('network', 'gone')
      return fakeSession([])
    })
    const first = model.load()
    await model.dispose()
    expect(await codeOf(first)).toBe('aborted')
    expect(await codeOf(model.load())).toBe('network')
    await model.load()
    expect(attempts).toBe(3)
  })

  test('dispose lets the answer under way end first, unless told otherwise; the next one opens a new session', async () => {
    const log: string[] = []
    const sessions: FakeSession[] = []
    const open = async () => {
      const session = fakeSession(log)
      sessions.push(session)
      return session
    }
    const model = modelOf(open)
    await model.load()
    const running = textOf(model.stream(request('a')))
    await tick()
    const disposed = model.dispose()
    expect(sessions[0]?.closed).toBe(false)
    expect(await running).toBe('a0a1a2')
    await disposed
    expect([sessions[0]?.closed, model.isLoaded]).toEqual([true, false])
    expect(await textOf(model.stream(request('b')))).toBe('b0b1b2')
    expect(sessions).toHaveLength(2)
    const hasty = modelOf(open, { disposesAtOnce: true })
    await hasty.load()
    void textOf(hasty.stream(request('c'))).catch(() => {})
    await tick()
    await hasty.dispose()
    expect(sessions.at(-1)?.closed).toBe(true)
    expect(log).not.toContain('end c')
  })

  test('a spent session is closed and a new one opened', async () => {
    const sessions: FakeSession[] = []
    const model = modelOf(async () => {
      const session = fakeSession([])
      sessions.push(session)
      return session
    })
    await model.load()
    expect(await model.countTokens(request('a'))).toBe(7)
    ;(sessions[0] as FakeSession).spent = true
    expect(await textOf(model.stream(request('a')))).toBe('a0a1a2')
    expect(sessions.map((session) => session.closed)).toEqual([true, false])
  })

  test('a refused request loads nothing, and tokens are estimated before the load', async () => {
    let opened = 0
    const model = modelOf(
      async () => {
        opened++
        return fakeSession([])
      },
      {
        check: () => {
          throw new AlcoveError('invalid-argument', 'no')
        },
      },
    )
    expect(await codeOf(textOf(model.stream(request('a'))))).toBe('invalid-argument')
    expect(await model.countTokens(request('ten chars!'))).toBeGreaterThanOrEqual(5)
    expect(opened).toBe(0)
  })
})
