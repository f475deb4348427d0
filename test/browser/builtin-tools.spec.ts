import type { Page } from '@playwright/test'
import { expect, origins, test } from './setup.js'

// The built-in tools on a page under the strict policy, each called by an agent whose model is scripted.

/** What came of calls that a scripted model makes one after the other, with one tool. */
interface Called {
  readonly outputs: unknown[]
  readonly finish: string
}

/** Runs each code with the JavaScript tool, in one run; what is printed last is what the page's own world looks like afterwards. */
async function runJavascript(page: Page, codes: readonly string[], options: object = {}): Promise<Called> {
  return await page.evaluate(
    async ([codes, options]) => {
      const { createAgent } = await import('/dist/index.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const { javascriptTool } = await import('/dist/tool-javascript.js')
      const made = javascriptTool(options)
      const turns = codes.map((code) => ({ toolCalls: [{ name: made.name, input: { code } }] }))
      const run = createAgent({ model: scriptedModel([...turns, 'done']), tools: [made], maxSteps: 50 }).stream('Go')
      const outputs: unknown[] = []
      for await (const part of run) if (part.type === 'tool-result') outputs.push(part.output)
      made.close()
      return { outputs, finish: (await run.finish).reason }
    },
    [codes, options] as const,
  )
}

test.describe('JavaScript in the sandbox', () => {
  test('gives values, what was printed, and errors with their line', async ({ blank }) => {
    const { outputs, finish } = await runJavascript(blank, [
      'const words = ["b", "a"]; console.log("sorting", { n: 2 }); words.sort()',
      'await Promise.resolve(new Map([["a", 1n]]))',
      'return [1, 2].map((x) => x * 2)',
      'const a = 1\n\nnull.field',
      'let b = ',
      'undefined',
      'await new Promise(() => {})',
      'const c = {}; c.self = c; c',
      '"x".repeat(5000)',
      'throw { why: "own" }',
    ])
    expect(outputs).toEqual([
      { result: ['a', 'b'], printed: 'sorting {"n":2}' },
      { result: [['a', '1']] },
      { result: [2, 4] },
      expect.stringMatching(/^Error: run_javascript failed: TypeError: .*null.*\(line 3\)$/),
      expect.stringMatching(/^Error: run_javascript failed: SyntaxError: .*line 1/),
      { result: null },
      expect.stringContaining('something that never comes'),
      { result: { self: '[circular]' } },
      { result: expect.stringContaining('… (5002 characters in all)') },
      'Error: run_javascript failed: thrown: {"why":"own"}',
    ])
    expect(finish).toBe('stop')
    expect(await blank.evaluate(() => document.querySelectorAll('iframe').length)).toBe(0)
    await expect.poll(() => blank.workers().length).toBe(0)
  })

  test('keeps variables only where that is asked for, and says when they are lost', async ({ blank }) => {
    const codes = ['var count = 1; const fixed = 2', 'count + fixed', 'for (;;) {}', 'typeof count']
    const kept = await runJavascript(blank, codes, { keepState: true, timeoutMs: 300 })
    expect(kept.outputs).toEqual([
      { result: null },
      { result: 3 },
      'Error: run_javascript failed: It did not end within 300 ms. Its variables are lost.',
      { result: 'undefined' },
    ])
    const fresh = await runJavascript(blank, ['var count = 1', 'typeof count'])
    expect(fresh.outputs[1]).toEqual({ result: 'undefined' })
  })

  test('ends what does not end by itself', async ({ blank }) => {
    const { outputs } = await runJavascript(
      blank,
      [
        'while (true) {}',
        'try { for (;;) {} } finally { for (;;) {} }',
        '/(a+)+$/.test("a".repeat(60) + "b")',
        // Without giving the promises back, which would be a chain that grows until the memory ends.
        'const again = () => { Promise.resolve().then(again) }; again(); await new Promise(() => {})',
        'x = { toJSON() { for (;;) {} } }',
        'throw { get name() { for (;;) {} }, toString() { for (;;) {} }, toJSON() { for (;;) {} } }',
        'new Proxy([], { get() { for (;;) {} } })',
      ],
      { timeoutMs: 400 },
    )
    expect(outputs).toEqual(Array(7).fill('Error: run_javascript failed: It did not end within 400 ms.'))
  })

  test('bounds memory, stack and output', async ({ blank }) => {
    const { outputs } = await runJavascript(blank, [
      'const all = []; for (;;) all.push(new Array(1e5).fill(1))',
      'let text = "ab"; for (;;) text += text',
      'new ArrayBuffer(1e9)',
      'function again() { return again() + 1 }; again()',
      'for (let i = 0; i < 1e5; i++) console.log("x".repeat(1000))',
      '"x".repeat(1e6)',
    ])
    expect(outputs[0]).toMatch(/out of memory/)
    expect(outputs[1]).toMatch(/out of memory|string too long/)
    expect(outputs[2]).toMatch(/out of memory|invalid array buffer length/i)
    expect(outputs[3]).toMatch(/stack/)
    const { printed } = outputs[4] as { printed: string }
    expect(printed.length).toBeLessThan(5000)
    expect(outputs[5]).toMatch(/1000002 characters as JSON/)
  })

  test('reaches nothing of the page, whatever it tries', async ({ blank }) => {
    const answered: string[] = []
    blank.context().on('response', (response) => {
      if (response.url().includes('leak')) answered.push(response.url())
    })
    await blank.evaluate(() => {
      Object.assign(globalThis, { secret: 'of the page' })
      localStorage.setItem('secret', '1')
    })
    const url = new URL('/dist/index.js?leak', origins().home).href
    const { outputs } = await runJavascript(blank, [
      '[typeof window, typeof document, typeof self, typeof parent, typeof secret, typeof process, typeof require, typeof postMessage]',
      '[typeof fetch, typeof XMLHttpRequest, typeof WebSocket, typeof Worker, typeof indexedDB, typeof localStorage, typeof WebAssembly]',
      'Object.keys(this.constructor.constructor("return globalThis")()).includes("secret")',
      '[].filter.constructor("return typeof secret + typeof document + typeof fetch")()',
      '(function () { return this === globalThis && typeof this.postMessage })()',
      'console.log.constructor("return typeof document")()',
      'try { null.x } catch (error) { error.constructor.constructor("return typeof secret")() }',
      `import(${JSON.stringify(url)}).then(() => "imported")`,
      'Object.prototype.type = "blocked"; Object.prototype.then = 1; Array.prototype.toJSON = () => "own"; 1',
      'JSON.stringify = () => "{broken"; Promise.prototype.then = () => 7; globalThis.console = 0; 2',
      'Error.prepareStackTrace = (error, frames) => frames[0].getThis(); try { null.x } catch (error) { typeof error.stack.document }',
      '({ __proto__: { polluted: true }, ["__proto__"]: 1 })',
    ])
    expect(outputs.slice(0, 7)).toEqual([
      { result: Array(8).fill('undefined') },
      { result: Array(7).fill('undefined') },
      { result: false },
      { result: 'undefinedundefinedundefined' },
      { result: 'undefined' },
      { result: 'undefined' },
      { result: 'undefined' },
    ])
    expect(outputs[7]).toMatch(/^Error: run_javascript failed/)
    expect(outputs.slice(8, 10)).toEqual([{ result: 1 }, { result: 2 }])
    const after = await blank.evaluate(() => [
      ({} as { polluted?: unknown; type?: unknown }).polluted,
      ({} as { type?: unknown }).type,
    ])
    expect(after).toEqual([undefined, undefined])
    expect(answered).toEqual([])
  })

  test('ends with the run', async ({ blank }) => {
    const result = await blank.evaluate(async () => {
      const { createAgent } = await import('/dist/index.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const { javascriptTool } = await import('/dist/tool-javascript.js')
      const made = javascriptTool({ keepState: true, timeoutMs: 60_000 })
      const model = scriptedModel([{ toolCalls: [{ name: made.name, input: { code: 'for (;;) {}' } }] }, 'never'])
      const controller = new AbortController()
      const run = createAgent({ model, tools: [made] }).stream('Go', { signal: controller.signal })
      setTimeout(() => controller.abort(), 1000)
      const { reason } = await run.finish
      return reason
    })
    expect(result).toBe('aborted')
    await expect.poll(() => blank.evaluate(() => document.querySelectorAll('iframe').length)).toBe(0)
    await expect.poll(() => blank.workers().length).toBe(0)
  })

  test('says where its files should be when they are not', async ({ blank }) => {
    const { outputs } = await runJavascript(blank, ['1'], { workersUrl: '/nowhere/' })
    expect(outputs[0]).toMatch(/Could not fetch .*\/nowhere\/sandbox-javascript\.js: status 404/)
  })
})

/** Runs each code with the Python tool, in one run. */
async function runPython(page: Page, codes: readonly string[], options: object = {}): Promise<unknown[]> {
  return await page.evaluate(
    async ([codes, options]) => {
      const { createAgent } = await import('/dist/index.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const { pythonTool } = await import('/dist/tool-python.js')
      const made = pythonTool({ baseUrl: '/pyodide/', ...options })
      const turns = codes.map((code) => ({ toolCalls: [{ name: made.name, input: { code } }] }))
      const run = createAgent({ model: scriptedModel([...turns, 'done']), tools: [made], maxSteps: 50 }).stream('Go')
      const outputs: unknown[] = []
      for await (const part of run) {
        if (part.type !== 'tool-result') continue
        const { images } = (part.output ?? {}) as { images?: { data: Blob; mediaType: string; type: string }[] }
        if (images === undefined) outputs.push(part.output)
        else {
          const [{ type, mediaType, data } = { type: '', mediaType: '', data: new Blob() }] = images
          outputs.push({ count: images.length, type, mediaType, text: (await data.text()).slice(1, 4) })
        }
      }
      made.close()
      return outputs
    },
    [codes, options] as const,
  )
}

/** The smallest picture that is one, as Python writes it. */
const PICTURE = `
import base64
class Plot:
    def _repr_png_(self):
        return base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=')
Plot()
`

test.describe('Python in the sandbox', () => {
  test('gives values, what was printed, errors with their line, and pictures', async ({ blank }) => {
    const outputs = await runPython(blank, [
      'print("hello")\nsum(range(10))',
      'x = {"a": [1, 2.5, None, True], "s": {3}}\nx',
      'len(x["a"])',
      'y = 1\ny / 0',
      'def f(:',
      'float("nan")',
      PICTURE,
      'import numpy',
      'import sys; sys.exit(3)',
      '[x] * 3',
    ])
    expect(outputs).toEqual([
      { result: 45, printed: 'hello' },
      { result: { a: [1, 2.5, null, true], s: [3] } },
      { result: 4 },
      'Error: run_python failed: ZeroDivisionError: division by zero (line 2)',
      expect.stringMatching(/^Error: run_python failed: SyntaxError: .*\(line 1\)$/),
      { result: 'nan' },
      { count: 1, type: 'image', mediaType: 'image/png', text: 'PNG' },
      expect.stringMatching(/numpy.*could not be had/s),
      expect.stringMatching(/SystemExit/),
      expect.anything(),
    ])
  })

  test('ends what does not end by itself, bounds memory, and goes on', async ({ blank }) => {
    const outputs = await runPython(
      blank,
      [
        'kept = 1',
        'while True: pass',
        '"kept" in globals()',
        'x = []\nwhile True: x.append(bytearray(10_000_000))',
        '1 + 1',
      ],
      { timeoutMs: 10_000, memoryBytes: 128 << 20 },
    )
    expect(outputs).toEqual([
      { result: null },
      'Error: run_python failed: It did not end within 10000 ms. Its variables are lost.',
      { result: false },
      expect.stringMatching(/MemoryError/),
      { result: 2 },
    ])
    await expect.poll(() => blank.workers().length).toBe(0)
  })

  test('reaches neither network nor page', async ({ blank }) => {
    const answered: string[] = []
    blank.context().on('response', (response) => {
      if (response.url().includes('leak')) answered.push(response.url())
    })
    const url = new URL('/dist/index.js?leak', origins().home).href
    const outputs = await runPython(blank, [
      `import js\nawait js.fetch("${url}")`,
      `from pyodide.http import open_url\nopen_url("${url}").read()`,
      'import js\n[hasattr(js, "document"), hasattr(js, "window"), hasattr(js, "localStorage"), str(js.self.origin)]',
      `import js\njs.importScripts("${url}")`,
      `import js\nx = js.XMLHttpRequest.new()\nx.open("GET", "${url}", False)\nx.send()`,
      'import js\njs.eval("1 + 1")',
      'import js\njs.indexedDB.open("leak")',
      'import js\njs.postMessage({"type": "done"})',
      'import js\njs.self.constructor.prototype.postMessage.call(js.self, 1)',
      'import js\nfor n in range(400):\n  try:\n    await js.fetch(f"https://x.test/{n}")\n  except Exception as error:\n    last = error\nraise last',
    ])
    expect(outputs.slice(0, 2)).toEqual([expect.stringMatching(/^Error/), expect.stringMatching(/^Error/)])
    expect(outputs[2]).toEqual({ result: [false, false, false, 'null'] })
    for (const output of outputs.slice(3)) expect(output).toMatch(/^Error/)
    expect(answered).toEqual([])
  })

  test('says plainly where it cannot be had', async ({ blank }) => {
    const [output] = await runPython(blank, ['1'], { baseUrl: '/nowhere/' })
    expect(output).toMatch(/^Error: run_python failed: Python cannot be had here: .*\/nowhere\/.*404/)
  })
})
