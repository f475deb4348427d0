import { expect, test } from './setup.js'

// Tools whose code runs in the sandbox, on a page under the strict policy. Their functions are sent as text: each stands for itself.

test.describe('a tool in the sandbox', () => {
  test('computes, reports, gives files, and fails as other tools do', async ({ blank }) => {
    const outputs = await blank.evaluate(async () => {
      const { createAgent, tool } = await import('/dist/index.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const make = (name: string, execute: Parameters<typeof tool>[0]['execute']) =>
        tool({ name, description: '', runsIn: 'sandbox', timeoutMs: 1500, execute })
      const tools = [
        make('compute', async ({ a }, { report, callId }) => {
          report({ half: true })
          return { sum: Number(a) + 1, callId, dom: typeof document, origin: self.origin }
        }),
        make('draw', () => new Blob(['hi'], { type: 'image/png' })),
        make('fail', () => {
          throw new Error('own failure')
        }),
        make('endless', () => {
          for (;;) {}
        }),
      ]
      const toolCalls = tools.map(({ name }) => ({ name, input: { a: 1 }, callId: name }))
      const run = createAgent({ model: scriptedModel([{ toolCalls }, 'done']), tools }).stream('Go')
      const outputs: Record<string, unknown> = {}
      for await (const part of run) {
        if (part.type === 'tool-progress') outputs.progress = part.progress
        if (part.type !== 'tool-result') continue
        const { data } = (part.output ?? {}) as { data?: unknown }
        outputs[part.name] = data instanceof Blob ? await data.text() : part.output
      }
      return { ...outputs, frames: document.querySelectorAll('iframe').length }
    })
    expect(outputs).toEqual({
      progress: { half: true },
      compute: { sum: 2, callId: 'compute', dom: 'undefined', origin: 'null' },
      draw: 'hi',
      fail: 'Error: fail failed: own failure',
      endless: 'Error: endless did not finish within 1500 ms.',
      frames: 0,
    })
    await expect.poll(() => blank.workers().length).toBe(0)
  })

  test('reaches no network and no storage', async ({ blank }) => {
    // What the policy blocks is told as a request too, but is never answered.
    const answered: string[] = []
    blank.context().on('response', (response) => {
      if (response.url().includes('leak')) answered.push(response.url())
    })
    const outputs = await blank.evaluate(async () => {
      const { createAgent, tool } = await import('/dist/index.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const make = (name: string, execute: Parameters<typeof tool>[0]['execute']) =>
        tool({ name, description: '', runsIn: 'sandbox', execute })
      const tools = [
        make('fetch', ({ url }) => fetch(`${url}?leak`).then(String)),
        make('import', ({ url }) => import(`${url}?leak`).then(String)),
        make('scripts', ({ url }) =>
          (self as unknown as { importScripts(url: string): void }).importScripts(`${url}?leak`),
        ),
        make('socket', ({ url }) => {
          const socket = new WebSocket(`${String(url).replace('http', 'ws')}?leak`)
          return new Promise((resolve, reject) => {
            socket.onopen = resolve
            socket.onerror = () => reject(new Error('refused'))
          })
        }),
        make('database', () => {
          indexedDB.open('leak')
        }),
        make('files', () => navigator.storage.getDirectory().then(String)),
        make('caches', () => caches.open('leak').then(String)),
      ]
      const input = { url: new URL('/dist/workers/sandbox.js', location.href).href }
      const toolCalls = tools.map(({ name }) => ({ name, input }))
      const { messages } = await createAgent({ model: scriptedModel([{ toolCalls }, 'done']), tools }).generate('Go')
      return messages.flatMap(({ content }) =>
        typeof content === 'string'
          ? []
          : content.flatMap((part) => (part.type === 'tool-result' ? [part.isError === true] : [])),
      )
    })
    expect(outputs).toEqual([true, true, true, true, true, true, true])
    expect(answered).toEqual([])
  })

  test('is refused with one typed error where its script cannot run', async ({ blank }) => {
    const finish = await blank.evaluate(async () => {
      const { createAgent, tool } = await import('/dist/index.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const sandboxUrl = 'https://elsewhere.example/sandbox.js'
      const one = tool({ name: 'one', description: '', runsIn: 'sandbox', sandboxUrl, execute: () => 1 })
      const model = scriptedModel([{ toolCalls: [{ name: 'one' }] }, 'never'])
      return await createAgent({ model, tools: [one] }).stream('Go').finish
    })
    expect(finish).toMatchObject({
      reason: 'error',
      error: { code: 'permission-denied', details: { directive: 'script-src' } },
    })
  })
})
