import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openWorker, startWorker, workerUrl } from '../../../src/rpc/open-worker.js'

/** What was opened. The real thing is tried in a browser. */
class RecordedWorker extends EventTarget {
  readonly url: string
  constructor(
    url: URL | string,
    readonly options: WorkerOptions,
  ) {
    super()
    this.url = String(url)
  }
}

const open = (url: string) => openWorker(url, 'llm') as unknown as RecordedWorker & Worker

beforeEach(() => {
  vi.stubGlobal('Worker', RecordedWorker)
  vi.stubGlobal('location', { href: 'https://page.example/app/index.html', origin: 'https://page.example' })
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

describe('openWorker', () => {
  test('opens a script of its own origin as it is', () => {
    const worker = open('workers/llm.js')
    expect([worker.url, worker.options]).toEqual([
      'https://page.example/app/workers/llm.js',
      { type: 'module', name: 'llm' },
    ])
    expect(workerUrl(worker)).toBe('https://page.example/app/workers/llm.js')
  })

  test('imports a script of another origin by a Blob, whose URL goes when it is loaded', async () => {
    const revoke = vi.spyOn(URL, 'revokeObjectURL')
    const worker = open('https://cdn.example/llm.js')
    expect([worker.url.startsWith('blob:'), worker.options]).toEqual([true, { type: 'module', name: 'llm' }])
    expect(await (await fetch(worker.url)).text()).toContain('import("https://cdn.example/llm.js")')
    expect(workerUrl(worker)).toBe('https://cdn.example/llm.js')
    expect(revoke).not.toHaveBeenCalled()
    worker.dispatchEvent(new Event('message'))
    worker.dispatchEvent(new Event('message'))
    expect(revoke).toHaveBeenCalledExactlyOnceWith(worker.url)
  })

  test('the Blob’s URL goes too when the script fails', () => {
    const revoke = vi.spyOn(URL, 'revokeObjectURL')
    const worker = open('https://cdn.example/none.js')
    worker.dispatchEvent(new Event('error'))
    expect(revoke).toHaveBeenCalledExactlyOnceWith(worker.url)
  })

  test('inside a worker that a Blob started, the origin is that of the page', () => {
    vi.stubGlobal('location', { href: 'blob:https://page.example/1-2-3', origin: 'https://page.example' })
    expect(open('https://page.example/inner.js').url).toBe('https://page.example/inner.js')
    expect(open('https://cdn.example/inner.js').url).toMatch(/^blob:/)
  })
})

describe('startWorker', () => {
  const start = (url: string) => {
    const own = vi.fn(() => new RecordedWorker('as the bundler wrote it', {}) as unknown as Worker)
    // A bundler may have made a text of the URL.
    const worker = startWorker(own, (Worker) => new Worker(new URL(url).href, { type: 'module', name: 'llm' }))
    return { own, worker: worker as unknown as RecordedWorker & Worker }
  }

  test('opens a script of its own origin as it stands in the code, and knows its address', () => {
    const { own, worker } = start('https://page.example/llm.js')
    expect([own.mock.calls.length, worker.url]).toEqual([1, 'as the bundler wrote it'])
    expect(workerUrl(worker)).toBe('https://page.example/llm.js')
  })

  test('opens a script of another origin by a Blob', () => {
    const { own, worker } = start('https://cdn.example/llm.js')
    expect([own.mock.calls.length, worker.url.startsWith('blob:')]).toEqual([0, true])
    expect([worker.options.name, workerUrl(worker)]).toEqual(['llm', 'https://cdn.example/llm.js'])
  })
})
