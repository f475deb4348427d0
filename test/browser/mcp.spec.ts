import { startSse, startStateless, startStreamable } from '../unit/tools/mcp-official-server.js'
import { startRaw } from '../unit/tools/mcp-raw-server.js'
import { expect, origins, test } from './setup.js'

const open: { close(): Promise<void> }[] = []
const keep = <T extends { close(): Promise<void> }>(one: T): T => {
  open.push(one)
  return one
}
test.afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()))
})

/** A page without the strict policy, which lets only our own origin and the hub be asked. */
const pageUrl = () => new URL('/pages/blank.html', origins().elsewhere).href
const CORS = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'WWW-Authenticate, Mcp-Session-Id' }

test.describe('MCP from a page, against the official servers on another origin', () => {
  for (const [kind, start] of [
    ['Streamable HTTP', () => startStreamable()],
    ['Streamable HTTP with JSON answers', () => startStreamable({ json: true })],
    ['HTTP with SSE, found by itself', () => startSse()],
  ] as const) {
    test(kind, async ({ page }) => {
      const { url } = keep(await start())
      await page.goto(pageUrl())
      const found = await page.evaluate(async (url) => {
        const { connectMcp } = await import('/dist/mcp.js')
        const mcp = await connectMcp({ url })
        const call = (name: string, input: unknown, report = (_: unknown) => {}) =>
          mcp.tools
            .find((tool) => tool.name === name)
            ?.execute(input, { callId: 'c', signal: new AbortController().signal, report })
        const reports: unknown[] = []
        const drawn = (await call('draw', {})) as { type: string; data: Blob }[]
        const bitmap = await createImageBitmap(drawn[1]?.data as Blob)
        const result = {
          state: mcp.servers[0],
          sum: await call('add', { a: 2, b: 40 }),
          steps: await call('steps', {}, (progress) => reports.push(progress)),
          reports: reports.length,
          types: drawn.map((block) => (typeof block === 'string' ? 'text' : block.type)),
          width: bitmap.width,
          error: await call('fail', {})?.catch(({ code, message }) => ({ code, message })),
          resource: await mcp.resources.read('file:///handbook.md'),
          prompt: (await mcp.prompts.get('greet', { name: 'Ada' })).messages,
        }
        await mcp.close()
        return result
      }, url)
      expect(found).toMatchObject({
        state: { status: 'ready', title: 'official', protocolVersion: '2025-11-25', problems: [] },
        sum: '42',
        steps: 'done',
        reports: kind.includes('JSON') ? 0 : 2,
        types: ['text', 'image', 'audio', 'resource', 'file', 'resource'],
        width: 1,
        error: { code: 'tool-failed', message: 'the kettle is empty' },
        resource: [{ type: 'resource', uri: 'file:///handbook.md', text: '# Handbook' }],
        prompt: [{ role: 'user', content: 'Say hello to Ada.' }],
      })
    })
  }

  test('a broken stream is taken up, tools that change are seen, and an abort stops the server', async ({ page }) => {
    const server = keep(await startStreamable())
    await page.goto(pageUrl())
    const found = await page.evaluate(async (url) => {
      const { connectMcp } = await import('/dist/mcp.js')
      let seen = (_: unknown) => {}
      const changed = new Promise((resolve) => {
        seen = resolve
      })
      const mcp = await connectMcp({ url, backoff: { baseDelayMs: 5 }, onChange: seen })
      const call = (name: string, signal = new AbortController().signal) =>
        mcp.tools.find((tool) => tool.name === name)?.execute({}, { callId: 'c', signal, report: () => {} })
      const resumed = await call('break-stream')
      await call('grow')
      await changed
      const aborted = await call('wait', AbortSignal.timeout(100))?.catch(({ code }) => code)
      const names = mcp.tools.map(({ name }) => name)
      await mcp.close()
      return { resumed, aborted, names }
    }, server.url)
    expect(found).toMatchObject({ resumed: 'after the break', aborted: 'timeout' })
    expect(found.names).toContain('grown')
    await expect.poll(() => server.cancelled.length).toBe(1)
    expect(server.sessions()).toBe(0)
  })

  test('2026-07-28, without handshake', async ({ page }) => {
    const { url } = keep(await startStateless())
    await page.goto(pageUrl())
    const found = await page.evaluate(async (url) => {
      const { connectMcp } = await import('/dist/mcp.js')
      const mcp = await connectMcp({ url })
      const context = { callId: 'c', signal: new AbortController().signal, report: () => {} }
      const sum = await mcp.tools[0]?.execute({ a: 4, b: 5 }, context)
      const version = mcp.servers[0]?.protocolVersion
      await mcp.close()
      return { sum, version }
    }, url)
    expect(found).toEqual({ sum: '9', version: '2026-07-28' })
  })

  test('an agent of the main entry uses them, and one failing server stops nothing', async ({ page }) => {
    const { url } = keep(await startStreamable())
    await page.goto(pageUrl())
    const found = await page.evaluate(async (url) => {
      const [{ connectMcp }, { createAgent }, { scriptedModel }] = await Promise.all([
        import('/dist/mcp.js'),
        import('/dist/index.js'),
        import('/dist/testing.js'),
      ])
      const gone = { url: 'http://127.0.0.1:9/mcp', name: 'gone' }
      const mcp = await connectMcp({ servers: [gone, { url, name: 'here' }] })
      const model = scriptedModel([{ toolCalls: [{ name: 'weather', input: { city: 'Oslo' } }] }, 'Seven degrees.'])
      const { text, messages } = await createAgent({ model, tools: mcp.tools }).generate('Weather in Oslo?')
      const states = mcp.servers.map(({ name, status, error }) => [name, status, error?.code])
      await mcp.close()
      return { text, states, result: messages.find(({ role }) => role === 'tool')?.content }
    }, url)
    expect(found.text).toBe('Seven degrees.')
    expect(found.states).toEqual([
      ['gone', 'failed', 'network'],
      ['here', 'ready', undefined],
    ])
    expect(found.result).toMatchObject([{ name: 'weather', output: { city: 'Oslo', degrees: 7 } }])
  })
})

test('servers that misbehave give typed errors in a real browser', async ({ page }) => {
  const preflight = { ...CORS, 'access-control-allow-headers': '*', 'access-control-allow-methods': '*' }
  const behave = async (mode: string) =>
    keep(
      await startRaw(
        {
          initialize: ({ response, reply }) => {
            if (mode === 'redirect') return response.writeHead(307, { location: '/other' }).end()
            if (mode === 'sign-in') return response.writeHead(401, { 'www-authenticate': 'Bearer scope="all"' }).end()
            reply({ protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: {} })
          },
          'tools/call': ({ response, stream, reply }) => {
            if (mode === 'lie') {
              response.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' }).write('{')
              setTimeout(() => response.destroy(), 30)
            } else if (mode === 'break') {
              stream()
              response.write('data: {')
              setTimeout(() => response.destroy(), 30)
            } else if (mode === 'large') reply({ content: [{ type: 'text', text: 'x'.repeat(10_000_000) }] })
          },
        },
        preflight,
      ),
    ).url
  const modes = ['redirect', 'sign-in', 'lie', 'break', 'large', 'silent']
  const urls = await Promise.all(modes.map(behave))
  await page.goto(pageUrl())
  const codes = await page.evaluate(async (urls) => {
    const { connectMcp } = await import('/dist/mcp.js')
    return await Promise.all(
      urls.map(async (url) => {
        try {
          const mcp = await connectMcp({ url, timeoutMs: 300, connectTimeoutMs: 5_000 })
          return await mcp.tools[0]?.execute(
            {},
            { callId: 'c', signal: new AbortController().signal, report: () => {} },
          )
        } catch (error) {
          const { code, hint, details } = error as { code: string; hint: string; details: { scope?: string } }
          return [code, details.scope ?? '', hint.length > 10]
        }
      }),
    )
  }, urls)
  expect(Object.fromEntries(modes.map((mode, at) => [mode, codes[at]]))).toEqual({
    redirect: ['http-status', '', true],
    'sign-in': ['permission-denied', 'all', true],
    lie: ['network', '', true],
    break: ['network', '', true],
    large: ['too-large', '', true],
    silent: ['timeout', '', true],
  })
})

test.describe('MCP over a port', () => {
  test('a frame offers tools to its host', async ({ page }) => {
    await page.goto(pageUrl())
    const found = await page.evaluate(async () => {
      const { connectMcp } = await import('/dist/mcp.js')
      const frame = document.createElement('iframe')
      frame.src = '/pages/blank.html'
      await new Promise((resolve) => {
        frame.onload = resolve
        document.body.append(frame)
      })
      // What the frame's own script does.
      const inside = frame.contentWindow as Window
      const script = inside.document.createElement('script')
      script.type = 'module'
      script.src = '/pages/mcp-frame.js'
      await new Promise((resolve) => {
        script.onload = resolve
        inside.document.body.append(script)
      })
      const { port1, port2 } = new MessageChannel()
      inside.postMessage('serve', location.origin, [port1])
      const mcp = await connectMcp({ port: port2, name: 'frame' })
      const call = (name: string, input: unknown) =>
        mcp.tools
          .find((tool) => tool.name === name)
          ?.execute(input, { callId: 'c', signal: new AbortController().signal, report: () => {} })
      const title = await call('frame-title', {})
      const image = (await call('draw', {})) as { type: string; data: Blob }
      const running = call('never', {})?.catch(({ code }) => code)
      const state = mcp.servers[0]?.status
      await mcp.close()
      return { title, image: [image.type, image.data.type, image.data.size], state, ended: await running }
    })
    expect(found).toEqual({ title: 'inside', image: ['image', 'image/png', 3], state: 'ready', ended: 'closed' })
  })
})

test.describe('WebMCP', () => {
  test('is said to be unavailable where it is', async ({ blank }) => {
    const found = await blank.evaluate(async () => {
      const { isWebMcpAvailable, offerTools, pageTools } = await import('/dist/webmcp.js')
      const code = ({ code }: { code: string }) => code
      return [isWebMcpAvailable(), await offerTools([]).catch(code), await pageTools().catch(code)]
    })
    expect(found).toEqual([false, 'unavailable', 'unavailable'])
  })

  test('offers our tools to Chromium, and uses the tools of the page', async ({ playwright, launchOptions }) => {
    const args = [...(launchOptions.args ?? []), '--enable-blink-features=WebMCP']
    const browser = await playwright.chromium.launch({ ...launchOptions, args })
    keep(browser)
    const page = await browser.newPage()
    await page.goto(new URL('/pages/blank.html', origins().home).href)
    const has = await page.evaluate(() => 'modelContext' in document)
    test.skip(!has, 'this browser has no WebMCP behind its flag')
    const found = await page.evaluate(async () => {
      const [{ isWebMcpAvailable, offerTools, pageTools }, { tool }] = await Promise.all([
        import('/dist/webmcp.js'),
        import('/dist/index.js'),
      ])
      const input = { type: 'object', properties: { a: { type: 'number' } }, required: ['a'] } as const
      const add = tool({ name: 'add', description: 'Adds.', input, execute: ({ a }) => ({ sum: Number(a) + 1 }) })
      const offer = await offerTools([add, add], { readOnly: ['add'] })
      // biome-ignore lint/suspicious/noExplicitAny: the browser's own, which has no types yet
      const native = (document as any).modelContext
      const [registered] = await native.getTools()
      const answer = await native.executeTool(registered, { a: 1 })
      const refusal = await native.executeTool(registered, { a: 'one' })
      const annotations = registered.annotations.readOnlyHint
      const controller = new AbortController()
      const order = { name: 'order', description: 'Orders.', execute: async (given: unknown) => ({ given }) }
      await native.registerTool(order, { signal: controller.signal })
      const page = await pageTools()
      const context = { callId: 'c', signal: new AbortController().signal, report: () => {} }
      const names = page.tools.map(({ name }) => name)
      const used = await page.tools[0]?.execute({ n: 1 }, context)
      controller.abort()
      await new Promise((resolve) => setTimeout(resolve, 200))
      const after = page.tools.length
      offer.close()
      await new Promise((resolve) => setTimeout(resolve, 100))
      return {
        available: [isWebMcpAvailable(), isWebMcpAvailable('using')],
        offered: offer.offered,
        problems: offer.problems.map(({ message }) => message),
        answer: JSON.parse(answer),
        refusal: JSON.parse(refusal),
        annotations,
        names,
        used,
        after,
        left: (await native.getTools()).length,
      }
    })
    expect(found).toMatchObject({
      available: [true, true],
      offered: ['add'],
      problems: [expect.stringContaining("refused the tool 'add'")],
      answer: { sum: 2 },
      refusal: { error: expect.stringContaining('expected number') },
      annotations: true,
      names: ['order'],
      used: { given: { n: 1 } },
      after: 0,
      left: 0,
    })
  })
})
