import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createAgent } from '../../../src/agents/agent.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import { runInSandbox } from '../../../src/tools/sandbox.js'
import { tool } from '../../../src/tools/tool.js'

// The frame itself is tested in a browser (test/browser/sandbox.spec.ts); here a page is played, whose frame runs the code in a context of its own.

interface PlayedFrame {
  readonly attributes: Record<string, string>
  srcdoc: string
  isRemoved: boolean
}

/** A page whose frames answer as the real one does. @param answers what the frame does instead of running the code */
function playPage(answers?: (port: MessagePort) => void) {
  const frames: PlayedFrame[] = []
  const listeners = new Set<(event: unknown) => void>()
  const createElement = () => {
    const contentWindow = {
      postMessage({ code, call }: { code: string; call: unknown }, _target: string, [port]: [MessagePort]) {
        if (answers) return answers(port)
        const scope: Record<string, unknown> = {
          postMessage: (message: unknown) => port.postMessage(message),
          AbortController,
        }
        runInNewContext(code, scope)
        ;(scope.onmessage as (event: unknown) => void)({ data: structuredClone(call) })
      },
    }
    const frame = {
      attributes: {} as Record<string, string>,
      contentWindow,
      srcdoc: '',
      hidden: false,
      isRemoved: false,
      setAttribute: (name: string, value: string) => {
        frame.attributes[name] = value
      },
      remove: () => {
        frame.isRemoved = true
      },
    }
    frames.push(frame)
    return frame
  }
  const append = (frame: { contentWindow: unknown }) =>
    queueMicrotask(() => {
      for (const listen of listeners) listen({ source: {}, data: 'alcove-sandbox-ready' })
      for (const listen of listeners) listen({ source: frame.contentWindow, data: 'alcove-sandbox-ready' })
    })
  vi.stubGlobal('document', { createElement, documentElement: { append }, baseURI: 'https://example.org/app/' })
  vi.stubGlobal('addEventListener', (_: string, listen: () => void) => listeners.add(listen))
  vi.stubGlobal('removeEventListener', (_: string, listen: () => void) => listeners.delete(listen))
  return { frames, listeners }
}

afterEach(() => vi.unstubAllGlobals())

const code = (source: string) => ({ source, frameUrl: 'workers/sandbox.js?a=1&b="2"' })
const context = (more: object = {}) => ({
  signal: new AbortController().signal,
  callId: 'c',
  report: () => {},
  ...more,
})

describe('runInSandbox', () => {
  it.each([
    ['({ a }) => a + 1'],
    ['async ({ a }) => a + 1'],
    ['input => input.a + 1'],
    ['async input => input.a + 1'],
    ['function ({ a }) { return a + 1 }'],
    ['async function named({ a }) { return a + 1 }'],
    ['execute({ a }) { return a + 1 }'],
    ['async execute({ a }) { return a + 1 }'],
    ['async({ a }) => a + 1'],
  ])('runs %s', async (source) => {
    playPage()
    expect(await runInSandbox(code(source), { a: 1 }, context())).toBe(2)
  })

  it('opens a frame of opaque origin that may load its one script and nothing else, and takes it away', async () => {
    const { frames, listeners } = playPage()
    await runInSandbox(code('() => 1'), {}, context())
    await runInSandbox(code('() => 1'), {}, context())
    expect(frames.map(({ isRemoved }) => isRemoved)).toEqual([true, true])
    expect(listeners.size).toBe(0)
    const [first, second] = frames
    expect(first?.attributes.sandbox).toBe('allow-scripts')
    const nonce = /nonce="([^"]+)"/.exec(first?.srcdoc ?? '')?.[1]
    expect(first?.srcdoc).toContain(`content="default-src 'none'; script-src 'nonce-${nonce}'; worker-src blob:"`)
    expect(first?.srcdoc).toContain('src="https://example.org/app/workers/sandbox.js?a=1&amp;b=%222%22"')
    expect(second?.srcdoc).not.toContain(String(nonce))
  })

  it('passes progress on, and what the code throws', async () => {
    playPage()
    const reports: unknown[] = []
    const report = (progress: unknown) => void reports.push(progress)
    const source = '(_, { report, callId, signal }) => { report({ callId, isAborted: signal.aborted }) }'
    expect(await runInSandbox(code(source), {}, context({ report }))).toBeUndefined()
    expect(reports).toEqual([{ callId: 'c', isAborted: false }])
    await expect(runInSandbox(code('() => { throw new Error("own") }'), {}, context())).rejects.toMatchObject({
      code: 'tool-failed',
      message: 'own',
    })
    await expect(runInSandbox(code('() => ({ f() {} })'), {}, context())).rejects.toMatchObject({ code: 'tool-failed' })
  })

  it('is over at once when the signal aborts, also one that has', async () => {
    const { frames } = playPage(() => {})
    const controller = new AbortController()
    const running = runInSandbox(code('() => 1'), {}, context({ signal: controller.signal }))
    await Promise.resolve()
    controller.abort()
    await expect(running).rejects.toMatchObject({ code: 'aborted' })
    await expect(runInSandbox(code('() => 1'), {}, context({ signal: controller.signal }))).rejects.toThrow()
    expect(frames.every(({ isRemoved }) => isRemoved)).toBe(true)
  })

  it('fails with permission-denied, which ends a run, where it cannot be opened', async () => {
    playPage((port) => port.postMessage({ type: 'blocked' }))
    await expect(runInSandbox(code('() => 1'), {}, context())).rejects.toMatchObject({
      code: 'permission-denied',
      details: { directive: 'worker-src blob:' },
    })
    vi.unstubAllGlobals()
    const one = tool({ name: 'one', description: '', runsIn: 'sandbox', execute: () => 1 })
    const model = scriptedModel([{ toolCalls: [{ name: 'one' }] }, 'never'])
    const { finish } = createAgent({ model, tools: [one] }).stream('Go')
    expect(await finish).toMatchObject({ reason: 'error', error: { code: 'permission-denied' } })
  })

  it('runs a tool’s function by its text', async () => {
    playPage()
    const one = tool({
      name: 'one',
      description: '',
      runsIn: 'sandbox',
      execute: ({ a }) => Number(a) * 2,
      sandboxUrl: 'x.js',
    })
    expect(await one.execute({ a: 4 }, context())).toBe(8)
    expect(() => tool({ name: 'one', description: '', runsIn: 'moon' as never, execute: () => 1 })).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    )
  })
})
