import { AlcoveError } from '../../protocol/error.js'
import { systemClock } from '../../runtime/clock.js'
import type { Tool } from '../tool.js'
import { Peer } from './peer.js'
import { PortTransport } from './port-transport.js'
import { RpcRefusal } from './rpc-error.js'
import { type ApproveCall, failureText, runOffered } from './run-offered.js'
import { type Fields, fieldsOf, type RequestId, RPC, SESSION_VERSIONS, textOf } from './wire.js'
import { writeFailure, writeResult } from './write-result.js'

export interface ServeMcpOptions {
  readonly port: MessagePort
  readonly tools: readonly Tool[]
  /** What the server calls itself. @default 'page' */
  readonly name?: string | undefined
  /** @default '1.0.0' */
  readonly version?: string | undefined
  /** How to use the tools, for the client. */
  readonly instructions?: string | undefined
  /** Asks a person whether a tool that needs approval may run. @default such a call is refused */
  readonly approve?: ApproveCall | undefined
}

/** Tools that are offered over a port. */
export interface McpService {
  /** Offers others from now on, and tells the client. */
  update(tools: readonly Tool[]): Promise<void>
  close(): Promise<void>
}

/** See `serveMcp`, which loads this. */
export async function serveTools(options: ServeMcpOptions): Promise<McpService> {
  const { port, name = 'page', version = '1.0.0', instructions } = options
  let tools = new Map(options.tools.map((tool) => [tool.name, tool]))

  async function answer(method: string, params: Fields, signal: AbortSignal, id: RequestId): Promise<unknown> {
    if (method === 'initialize') {
      const wanted = textOf(params.protocolVersion) ?? ''
      return {
        protocolVersion: SESSION_VERSIONS.includes(wanted) ? wanted : SESSION_VERSIONS[0],
        capabilities: { tools: { listChanged: true } },
        serverInfo: { name, version },
        ...(instructions !== undefined && { instructions }),
      }
    }
    if (method === 'ping') return {}
    if (method === 'tools/list') return { tools: [...tools.values()].map(describe) }
    if (method === 'tools/call') return await call(params, signal, id)
    throw new RpcRefusal(RPC.methodNotFound, 'This server has tools only')
  }

  async function call(params: Fields, signal: AbortSignal, id: RequestId): Promise<Fields> {
    const tool = tools.get(textOf(params.name) ?? '')
    if (tool === undefined) throw new RpcRefusal(RPC.invalidParams, 'There is no such tool')
    const { progressToken } = fieldsOf(params._meta)
    let count = 0
    const report = (progress: unknown) => {
      if (progressToken === undefined) return
      void peer.notify('notifications/progress', { progressToken, ...progressOf(progress, ++count) })
    }
    try {
      const input = params.arguments
      const output = await runOffered(tool, { callId: String(id), input, signal, report, approve: options.approve })
      return await writeResult(output)
    } catch (error) {
      return writeFailure(failureText(tool, error))
    }
  }

  const peer = new Peer({
    name,
    transport: new PortTransport(port, name),
    clock: systemClock,
    timeoutMs: 30_000,
    onNotification: () => {},
    onRequest: answer,
    onLost: () => {},
  })
  await peer.open()
  return {
    async update(next) {
      tools = new Map(next.map((tool) => [tool.name, tool]))
      await peer.notify('notifications/tools/list_changed')
    },
    close: async () => await peer.close(new AlcoveError('closed', 'The server was closed')),
  }
}

function describe({ name, description, inputSchema, needsApproval }: Tool): Fields {
  const isAsked = safely(() => needsApproval({}))
  return {
    name,
    description,
    // Only a schema of an object is one in MCP; `true` lets everything in.
    inputSchema: typeof inputSchema === 'object' ? { type: 'object', ...inputSchema } : { type: 'object' },
    ...(isAsked && { annotations: { readOnlyHint: false, destructiveHint: true } }),
  }
}

/** A function of the host may not take an empty input. */
function safely(ask: () => boolean): boolean {
  try {
    return ask()
  } catch {
    return true
  }
}

/** What a tool reports, as MCP knows it: numbers that rise, and words. */
function progressOf(progress: unknown, count: number): Fields {
  const { progress: done, total, message } = fieldsOf(progress)
  if (typeof done === 'number') {
    return {
      progress: done,
      ...(typeof total === 'number' && { total }),
      ...(typeof message === 'string' && { message }),
    }
  }
  if (typeof progress === 'number') return { progress }
  return { progress: count, message: typeof progress === 'string' ? progress : (JSON.stringify(progress) ?? '') }
}
