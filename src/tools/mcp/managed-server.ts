import { AlcoveError, isAlcoveError, toAlcoveError } from '../../protocol/error.js'
import { abortable } from '../../runtime/abort.js'
import type { Clock } from '../../runtime/clock.js'
import { createBackoff } from '../../runtime/retry.js'
import type { McpOptions, McpServerOptions, McpServerState, McpServerStatus } from './options.js'
import type { RequestOptions } from './peer.js'
import { isOldServer } from './rpc-error.js'
import { readServerTool, type ServerTool } from './server-tool.js'
import { isStatelessServer, McpSession } from './session.js'
import type { Transport } from './transport.js'
import type { Fields } from './wire.js'
import { plainWords } from './words.js'

/** Between two readings of a server's tools that it asked for itself. */
const REFRESH_MS = 1_000

export interface ManagedServerOptions {
  readonly name: string
  readonly server: McpServerOptions
  readonly shared: McpOptions
  readonly clock: Clock
  readonly clientInfo: { readonly name: string; readonly version: string }
  onChange(): void
}

/** One server: its session, begun again when it is lost, and the tools that it says it has. */
export class ManagedServer {
  readonly #options: ManagedServerOptions
  readonly #closing = new AbortController()
  #status: McpServerStatus = 'connecting'
  #error: AlcoveError | undefined
  #session: McpSession | undefined
  #connecting: Promise<McpSession> | undefined
  #tools: readonly ServerTool[] = []
  #problems: readonly AlcoveError[] = []
  #cancelRefresh: (() => void) | undefined
  #refreshedAt = Number.NEGATIVE_INFINITY

  constructor(options: ManagedServerOptions) {
    this.#options = options
  }

  get name(): string {
    return this.#options.name
  }

  get tools(): readonly ServerTool[] {
    return this.#status === 'ready' ? this.#tools : []
  }

  get hasPrefix(): boolean {
    return this.#options.server.prefix === true
  }

  get state(): McpServerState {
    const { name: title, ...info } = this.#session?.info ?? { name: '' }
    return {
      ...info,
      name: this.name,
      ...(title && { title }),
      status: this.#status,
      ...(this.#error && { error: this.#error }),
      problems: this.#problems,
    }
  }

  has(capability: 'resources' | 'prompts'): boolean {
    return this.#status === 'ready' && this.#session?.has(capability) === true
  }

  /** Connects, once for all who ask, and reads the tools. What failed for the moment is tried again in the background. */
  async connect(signal?: AbortSignal): Promise<void> {
    try {
      await this.#ready(signal)
    } catch (error) {
      if (isAlcoveError(error) && error.retryable && !signal?.aborted) this.#reconnect()
      throw error
    }
  }

  /** A request, with a new session where the server ended the old one. */
  async request(method: string, params: Fields, options: RequestOptions = {}): Promise<Fields> {
    const session = await this.#ready(options.signal)
    try {
      return await session.request(method, params, options)
    } catch (error) {
      if (!isAlcoveError(error) || error.details.isSessionOver !== true) throw error
      if (this.#session === session) this.#session = undefined
      void session.close()
      return await (await this.#ready(options.signal)).request(method, params, options)
    }
  }

  async list(method: string, key: string, signal?: AbortSignal): Promise<Fields[]> {
    return await (await this.#ready(signal)).list(method, key, signal)
  }

  async refresh(signal?: AbortSignal): Promise<void> {
    if (this.#session === undefined) return await this.connect(signal)
    await this.#readTools(this.#session, signal)
    this.#options.onChange()
  }

  async close(): Promise<void> {
    this.#status = 'closed'
    this.#closing.abort(new AlcoveError('closed', `The connection to MCP server '${this.name}' was closed`))
    this.#cancelRefresh?.()
    const session = this.#session
    this.#session = undefined
    await session?.close()
  }

  async #ready(signal?: AbortSignal): Promise<McpSession> {
    if (this.#closing.signal.aborted) throw new AlcoveError('closed', `MCP server '${this.name}' was closed`)
    if (this.#session !== undefined) return this.#session
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined
    })
    return await abortable(this.#connecting, signal)
  }

  async #connect(): Promise<McpSession> {
    if (this.#status !== 'ready') this.#status = 'connecting'
    try {
      const session = await this.#open()
      if (this.#closing.signal.aborted) {
        await session.close()
        throw new AlcoveError('closed', `MCP server '${this.name}' was closed`)
      }
      this.#session = session
      await this.#readTools(session, this.#closing.signal)
      session.listen()
      this.#set('ready', undefined)
      return session
    } catch (cause) {
      const error = toAlcoveError(cause, 'network')
      await this.#session?.close()
      this.#session = undefined
      if (!this.#closing.signal.aborted) this.#set('failed', error)
      throw error
    }
  }

  /** The transport that the server speaks: with a handshake, without one, or the old one. */
  async #open(): Promise<McpSession> {
    const { port, transport = 'auto' } = this.#options.server
    if (port) {
      const { PortTransport } = await import('./port-transport.js')
      return await this.#handshake(new PortTransport(port, this.name))
    }
    const http = this.#http()
    if (transport === 'sse') return await this.#openOld()
    const { HttpTransport } = await import('./http-transport.js')
    try {
      return await this.#handshake(new HttpTransport(http))
    } catch (error) {
      if (isStatelessServer(error)) return await this.#handshake(new HttpTransport(http), 'stateless')
      if (transport !== 'auto' || !isOldServer(error)) throw error
      // A server that is not there either way is told of by its first answer.
      return await this.#openOld().catch((other) => {
        throw isAlcoveError(other, 'permission-denied') ? other : error
      })
    }
  }

  async #openOld(): Promise<McpSession> {
    const { SseTransport } = await import('./sse-transport.js')
    return await this.#handshake(new SseTransport(this.#http()))
  }

  #http() {
    const { server, clock, shared } = this.#options
    const { url, maxMessageBytes = 8_000_000 } = server
    return { ...server, url: new URL(url ?? ''), name: this.name, maxMessageBytes, clock, backoff: shared.backoff }
  }

  async #handshake(transport: Transport, era?: 'stateless'): Promise<McpSession> {
    const { server, shared, clock, clientInfo } = this.#options
    let session: McpSession | undefined
    session = await McpSession.open(
      {
        name: this.name,
        transport,
        clock,
        clientInfo,
        era,
        answers: shared,
        timeoutMs: server.connectTimeoutMs ?? 20_000,
        onNotification: (method) => {
          if (method === 'notifications/tools/list_changed') this.#refreshSoon()
        },
        onLost: (error) => {
          if (this.#session !== session) return
          this.#session = undefined
          this.#set('failed', error)
          if (!server.port) this.#reconnect()
        },
      },
      this.#closing.signal,
    )
    return session
  }

  async #readTools(session: McpSession, signal?: AbortSignal): Promise<void> {
    const { server, clock } = this.#options
    this.#refreshedAt = clock.now()
    const sources = session.has('tools') ? await session.list('tools/list', 'tools', signal) : []
    const problems: AlcoveError[] = []
    const tools = new Map<string, ServerTool>()
    for (const source of sources) {
      if (server.allow && !server.allow.includes(String(source.name))) continue
      try {
        const made = readServerTool(source, {
          server: this.name,
          timeoutMs: server.timeoutMs ?? 60_000,
          maxTextLength: server.maxTextLength ?? 200_000,
          mirrorsHeaders: session.isStateless && !server.port,
          needsApproval: server.needsApproval ?? this.#options.shared.needsApproval,
          call: (params, options) => this.request('tools/call', params, options),
        })
        if (tools.has(made.name)) problems.push(twiceError(this.name, made.name))
        else tools.set(made.name, made)
      } catch (error) {
        problems.push(toAlcoveError(error, 'invalid-argument'))
      }
    }
    this.#tools = [...tools.values()]
    this.#problems = problems
  }

  /** However often a server says that its tools changed, they are read once a second at most. */
  #refreshSoon(): void {
    if (this.#cancelRefresh !== undefined || this.#closing.signal.aborted) return
    const { clock } = this.#options
    const waitMs = Math.max(0, this.#refreshedAt + REFRESH_MS - clock.now())
    this.#cancelRefresh = clock.setTimer(waitMs, () => {
      this.#cancelRefresh = undefined
      // What cannot be read now leaves the tools as they were.
      if (this.#session !== undefined) this.refresh(this.#closing.signal).catch(() => {})
    })
  }

  #reconnect(): void {
    const { shared, clock } = this.#options
    const backoff = createBackoff({ maxAttempts: 6, baseDelayMs: 1_000, clock, ...shared.backoff })
    const { signal } = this.#closing
    const work = async () => {
      for (let delayMs = backoff.next(); delayMs !== undefined; delayMs = backoff.next()) {
        await clock.sleep(delayMs, signal)
        if (this.#session !== undefined) return
        try {
          await this.#ready(signal)
          return
        } catch (error) {
          if (!isAlcoveError(error) || !error.retryable) return
        }
      }
    }
    work().catch(() => {})
  }

  #set(status: McpServerStatus, error: AlcoveError | undefined): void {
    this.#status = status
    this.#error = error
    this.#options.onChange()
  }
}

function twiceError(server: string, tool: string): AlcoveError {
  const name = plainWords(tool, 80)
  return new AlcoveError(
    'invalid-argument',
    `MCP server '${server}' has two tools named '${name}': the second is left out`,
    {
      hint: 'Mend the names on the server.',
      details: { server, tool: name },
    },
  )
}
