import { afterEach, describe, expect, test, vi } from 'vitest'
import { connectMcp } from '../../../src/tools/mcp/connect.js'
import { serveMcp } from '../../../src/tools/mcp/start-serving.js'
import { type Tool, tool } from '../../../src/tools/tool.js'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

const add = tool({
  name: 'add',
  description: 'Adds.',
  input: { type: 'object', properties: { a: { type: 'number' }, b: { type: 'number' } }, required: ['a', 'b'] },
  execute: ({ a, b }) => ({ sum: Number(a) + Number(b) }),
})

/** A client of tools that are offered over a channel. */
async function link(tools: readonly Tool[], more: Partial<Parameters<typeof serveMcp>[0]> = {}, options = {}) {
  const { port1, port2 } = new MessageChannel()
  const service = await serveMcp({ port: port1, tools, name: 'frame', ...more })
  const mcp = await connectMcp({ port: port2, name: 'frame', ...options })
  open.push(mcp, service)
  return { mcp, service, port1, port2 }
}
const call = (tools: readonly Tool[], name: string, input: unknown = {}, more = {}) =>
  tools
    .find((one) => one.name === name)
    ?.execute(input, { callId: 'c', signal: new AbortController().signal, report: () => {}, ...more })

describe('tools over a port', () => {
  test('are listed, called, and give data and media back', async () => {
    const draw = tool({
      name: 'draw',
      description: '',
      execute: () => ['look', new Blob(['pixel'], { type: 'image/png' })],
    })
    const { mcp } = await link([add, draw], { instructions: 'Add things.' })
    expect(mcp.servers).toMatchObject([{ title: 'frame', status: 'ready', instructions: 'Add things.' }])
    expect(await call(mcp.tools, 'add', { a: 1, b: 2 })).toEqual({ sum: 3 })
    const [text, image] = (await call(mcp.tools, 'draw')) as [string, { type: string; data: Blob }]
    expect([text, image.type, await image.data.text()]).toEqual(['look', 'image', 'pixel'])
  })

  test('an input that does not fit, an exception and an unknown tool are errors', async () => {
    const fail = tool({ name: 'fail', description: '', execute: () => Promise.reject(new Error('no water')) })
    const { mcp, port2 } = await link([add, fail])
    await expect(call(mcp.tools, 'add', { a: 1 })).rejects.toMatchObject({
      code: 'tool-failed',
      message: expect.stringContaining('b: expected a value'),
    })
    await expect(call(mcp.tools, 'fail')).rejects.toMatchObject({ message: 'fail failed: no water' })
    const answer = new Promise<MessageEvent>((resolve) => port2.addEventListener('message', resolve, { once: true }))
    port2.postMessage({ jsonrpc: '2.0', id: 'x', method: 'tools/call', params: { name: 'other' } })
    expect((await answer).data).toMatchObject({ id: 'x', error: { code: -32602 } })
  })

  test('progress and cancellation go through', async () => {
    const stopped = vi.fn()
    const slow = tool({
      name: 'slow',
      description: '',
      execute: async (_, { report, signal }) => {
        report('half')
        report({ progress: 2, total: 3 })
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        stopped()
      },
    })
    const { mcp } = await link([slow])
    const report = vi.fn()
    const controller = new AbortController()
    const running = call(mcp.tools, 'slow', {}, { report, signal: controller.signal })
    running?.catch(() => {})
    await vi.waitFor(() => expect(report).toHaveBeenCalledTimes(2))
    expect(report.mock.calls).toEqual([[{ progress: 1, message: 'half' }], [{ progress: 2, total: 3 }]])
    controller.abort()
    await expect(running).rejects.toMatchObject({ code: 'aborted' })
    await vi.waitFor(() => expect(stopped).toHaveBeenCalled())
  })

  test('what needs approval is refused unless somebody is asked, and is told of', async () => {
    const execute = vi.fn(() => 'gone')
    const erase = tool({ name: 'erase', description: '', needsApproval: true, execute })
    const refused = await link([erase])
    expect(refused.mcp.tools[0]?.needsApproval({})).toBe(true)
    await expect(call(refused.mcp.tools, 'erase')).rejects.toMatchObject({ message: 'The user did not agree to erase' })
    expect(execute).not.toHaveBeenCalled()
    const allowed = await link([erase], { approve: () => true })
    expect(await call(allowed.mcp.tools, 'erase')).toBe('gone')
  })

  test('others that are offered later are there', async () => {
    const { mcp, service } = await link([])
    expect(mcp.tools).toEqual([])
    await service.update([add])
    await vi.waitFor(() => expect(mcp.tools.map(({ name }) => name)).toEqual(['add']), 3_000)
  })

  test('a port that the other side closes fails what runs, and says so', async () => {
    const never = tool({ name: 'never', description: '', execute: () => new Promise(() => {}) })
    const { mcp, port1 } = await link([never])
    const running = call(mcp.tools, 'never')
    running?.catch(() => {})
    port1.close()
    await expect(running).rejects.toMatchObject({ code: 'network' })
    expect(mcp.servers).toMatchObject([{ status: 'failed' }])
    expect(mcp.tools).toEqual([])
  })

  test('close fails what runs with closed', async () => {
    const never = tool({ name: 'never', description: '', execute: () => new Promise(() => {}) })
    const { mcp } = await link([never])
    const running = call(mcp.tools, 'never')
    running?.catch(() => {})
    await mcp.close()
    await expect(running).rejects.toMatchObject({ code: 'closed' })
  })

  test('messages that are none are passed over, and requests of the server are answered or refused', async () => {
    const { port1, port2 } = new MessageChannel()
    const answers: { id: number; result?: unknown; error?: { code: number } }[] = []
    port1.onmessage = ({ data }) => {
      if (data.method === 'initialize') {
        for (const junk of [null, 'text', 7, { jsonrpc: '1.0' }, { jsonrpc: '2.0', id: 77, result: 1 }])
          port1.postMessage(junk)
        const result = { protocolVersion: '2025-03-26', capabilities: {}, serverInfo: { name: 'x', version: '1' } }
        port1.postMessage({ jsonrpc: '2.0', id: data.id, result })
      }
      if (data.method === undefined) answers.push(data)
    }
    const mcp = await connectMcp({ port: port2, roots: [{ uri: 'file:///work' }] })
    open.push(mcp)
    expect(mcp.servers).toMatchObject([{ status: 'ready', protocolVersion: '2025-03-26' }])
    const methods = ['ping', 'roots/list', 'sampling/createMessage', 'elicitation/create', 'made/up']
    methods.forEach((method, id) => {
      port1.postMessage({ jsonrpc: '2.0', id, method })
    })
    await vi.waitFor(() => expect(answers).toHaveLength(5))
    expect(answers.map(({ result, error }) => result ?? error?.code)).toEqual([
      {},
      { roots: [{ uri: 'file:///work' }] },
      -32601,
      -32601,
      -32601,
    ])
  })

  test('a server that asks for more at once than is answered is refused', async () => {
    const { port1, port2 } = new MessageChannel()
    const codes: unknown[] = []
    port1.onmessage = ({ data }) => {
      const result = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} }
      if (data.method === 'initialize') port1.postMessage({ jsonrpc: '2.0', id: data.id, result })
      if (data.error) codes.push(data.error.code)
    }
    open.push(await connectMcp({ port: port2, onSample: () => new Promise(() => {}) }))
    for (let id = 0; id < 20; id++) port1.postMessage({ jsonrpc: '2.0', id, method: 'sampling/createMessage' })
    await vi.waitFor(() => expect(codes).toEqual([-32000, -32000, -32000, -32000]))
    port1.close()
  })
})
