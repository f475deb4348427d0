import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'

const dist = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'dist')
const address = (file: string) => pathToFileURL(join(dist, file)).href

/** Runs a module in a Node of its own; `result` is what it prints as JSON. */
function runNode(code: string): { readonly status: number | null; readonly result: unknown; readonly errors: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
    encoding: 'utf8',
    timeout: 15_000,
  })
  return { status, result: status === 0 ? JSON.parse(stdout) : undefined, errors: stderr }
}

/** From here on, whoever looks at a name that only browsers have is told in `touched`. */
const TRAPS = `
  const touched = []
  for (const name of ['window', 'self', 'document', 'location', 'navigator', 'indexedDB', 'caches', 'localStorage',
    'sessionStorage', 'Worker', 'SharedWorker', 'customElements', 'GPUBufferUsage', 'requestAnimationFrame']) {
    Object.defineProperty(globalThis, name, {
      configurable: true,
      get() {
        touched.push(name)
        return undefined
      },
    })
  }
`

describe('in Node', () => {
  beforeAll(() => {
    if (!existsSync(join(dist, 'index.js'))) throw new Error('dist/index.js is missing: run npm run build first')
  })

  test('the traps work', () => {
    const { result } = runNode(`${TRAPS} typeof document; console.log(JSON.stringify(touched))`)
    expect(result).toEqual(['document'])
  })

  for (const entry of ['index.js', 'agents.js', 'testing.js', 'testing-contracts.js', 'mcp.js', 'webmcp.js']) {
    test(`importing ${entry} touches nothing of a browser`, () => {
      const { status, result, errors } = runNode(`${TRAPS}
        const names = Object.keys(await import('${address(entry)}'))
        console.log(JSON.stringify({ touched, names }))`)
      expect(errors).toBe('')
      expect(status).toBe(0)
      expect(result).toMatchObject({ touched: [] })
      expect((result as { names: string[] }).names.length).toBeGreaterThan(2)
    })
  }

  test('a client can be made at import time, and an agent with a model of its own runs', () => {
    const { result, errors } = runNode(`
      const { createAlcove, createAgent, isAlcoveError } = await import('${address('index.js')}')
      const { scriptedModel } = await import('${address('testing.js')}')
      const alcove = createAlcove()
      const { text } = await createAgent({ model: scriptedModel(['Hello from Node.']) }).generate('Hi')
      const own = await alcove.agent({ model: scriptedModel(['And with the client.']) }).generate('Hi')
      const code = await alcove.agent({ model: 'nonsense:model' }).generate('Hi').catch((error) => isAlcoveError(error) && error.code)
      await alcove.close()
      const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout')
      console.log(JSON.stringify({ text, own: own.text, code, timers }))`)
    expect(errors).toBe('')
    expect(result).toEqual({
      text: 'Hello from Node.',
      own: 'And with the client.',
      code: 'invalid-argument',
      timers: [],
    })
  })
})
