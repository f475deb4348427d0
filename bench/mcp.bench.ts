import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { connectMcp } from '../src/tools/mcp/connect.js'
import { serveMcp } from '../src/tools/mcp/start-serving.js'
import { type Tool, tool } from '../src/tools/tool.js'
import { type BenchContext, measureOf, type Report } from './lib/result.js'
import { takeTurns, timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'

export const what = 'One call of a small MCP tool, from the call to its result.'

const input = { a: 2, b: 3 }
const context = { callId: 'bench', signal: new AbortController().signal, report: () => {} }

/** Milliseconds a call of `count` calls, one after the other. */
const timeCalls = (count: number, call: () => Promise<unknown>) => async () =>
  (await timeOf(async () => {
    for (let index = 0; index < count; index++) await call()
  })) / count

async function callAdd(tools: readonly Tool[]): Promise<void> {
  const result = await tools.find(({ name }) => name === 'add')?.execute(input, context)
  if (result !== '5') throw new Error(`expected 5, got ${JSON.stringify(result)}`)
}

/** A message there and back, with nothing around it. */
function createEcho(): { ask(): Promise<unknown>; close(): void } {
  const { port1, port2 } = new MessageChannel()
  port1.onmessage = ({ data }) => port1.postMessage(data)
  port2.start()
  const ask = () =>
    new Promise((resolve) => {
      port2.addEventListener('message', resolve, { once: true })
      port2.postMessage({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'add', arguments: input } })
    })
  return { ask, close: () => port1.close() }
}

async function measurePort(quick: boolean) {
  const { port1, port2 } = new MessageChannel()
  const add = tool({ name: 'add', description: 'Adds.', execute: ({ a, b }) => String(Number(a) + Number(b)) })
  const service = await serveMcp({ port: port1, tools: [add] })
  const mcp = await connectMcp({ port: port2 })
  const echo = createEcho()
  const count = quick ? 20 : 500
  const samples = await takeTurns(
    { ours: timeCalls(count, () => callAdd(mcp.tools)), echo: timeCalls(count, echo.ask) },
    { rounds: quick ? 2 : 12 },
  )
  echo.close()
  await mcp.close()
  await service.close()
  return samples
}

async function measureHttp(url: string, quick: boolean) {
  const mcp = await connectMcp({ url })
  const official = new Client({ name: 'bench', version: '1.0.0' })
  await official.connect(new StreamableHTTPClientTransport(new URL(url)) as never)
  const count = quick ? 5 : 60
  const samples = await takeTurns(
    {
      ours: timeCalls(count, () => callAdd(mcp.tools)),
      official: timeCalls(count, () => official.callTool({ name: 'add', arguments: input })),
      fetch: timeCalls(
        count,
        async () => await (await fetch(new URL('/echo', url), { method: 'POST', body: JSON.stringify(input) })).text(),
      ),
    },
    { rounds: quick ? 2 : 10 },
  )
  await official.close()
  await mcp.close()
  return samples
}

const inMicroseconds = (samples: readonly number[]) => measureOf(summarize(samples.map((ms) => ms * 1_000)))

/** Runs the benchmark in this page. */
export async function run({ quick, mcpUrl }: BenchContext): Promise<Report> {
  const port = await measurePort(quick)
  const http = mcpUrl === undefined ? undefined : await measureHttp(mcpUrl, quick)
  return {
    figures: [
      {
        what: 'A call of an MCP tool over a MessagePort, there and back',
        unit: 'µs',
        ...inMicroseconds(port.ours),
        baselines: [{ what: 'the same message echoed by a bare port', ...inMicroseconds(port.echo) }],
      },
      ...(http === undefined
        ? []
        : [
            {
              what: 'A call of an MCP tool over Streamable HTTP to the official server on this machine',
              unit: 'ms' as const,
              ...measureOf(summarize(http.ours)),
              baselines: [
                { what: 'the official client', ...measureOf(summarize(http.official)) },
                { what: 'a bare fetch of a few bytes', ...measureOf(summarize(http.fetch)) },
              ],
            },
          ]),
    ],
    notes: [
      'Calls one after the other; both ends of the port are in one page, so one thread does the work of both.',
      'The HTTP server answers with an event stream, as the official SDK does by default; the page is of the same origin.',
    ],
    ...(http === undefined ? { skipped: ['Streamable HTTP: no server was started'] } : {}),
  }
}
