import { AlcoveError, isAlcoveError } from '../../protocol/error.js'
import { Peer, type PeerOptions, type RequestOptions } from './peer.js'
import { invalidAnswer, RpcRefusal } from './rpc-error.js'
import { headerValue } from './stateless.js'
import { type Fields, fieldsOf, RPC, SESSION_VERSIONS, STATELESS_VERSION, textOf } from './wire.js'
import { plainWords } from './words.js'

/** Answers what a server may ask of its client. What is not given is refused. */
export interface McpAnswers {
  /** Asks the person for what the server wants to know: gives `{ action: 'accept' | 'decline' | 'cancel', content? }`. */
  readonly onElicit?:
    | ((params: Fields, options: { readonly server: string; readonly signal: AbortSignal }) => unknown)
    | undefined
  /** Lets the server use the page's model: gives `{ role, content, model, stopReason? }`. Ask the person first. */
  readonly onSample?:
    | ((params: Fields, options: { readonly server: string; readonly signal: AbortSignal }) => unknown)
    | undefined
  /** Places that the server may work in. */
  readonly roots?: readonly { readonly uri: string; readonly name?: string }[] | undefined
}

export interface SessionOptions extends Omit<PeerOptions, 'onRequest'> {
  readonly answers: McpAnswers
  readonly clientInfo: { readonly name: string; readonly version: string }
  /** `stateless` for a server that has no handshake. @default 'session' */
  readonly era?: 'session' | 'stateless' | undefined
}

/** What a server is and can do. */
export interface McpServerInfo {
  readonly name: string
  readonly version: string
  readonly protocolVersion: string
  readonly capabilities: Fields
  /** The server's words on how to use it. Give them to no model as instructions. */
  readonly instructions: string
}

/** Most pages and items of a list that are taken. */
const MAX_PAGES = 100
const MAX_ITEMS = 2_000
/** How often one request may ask back. */
const MAX_ROUNDS = 5
const KEY = 'io.modelcontextprotocol/'

/** One server after its handshake. */
export class McpSession {
  readonly #options: SessionOptions
  readonly #peer: Peer
  #info: McpServerInfo

  private constructor(options: SessionOptions) {
    this.#options = options
    this.#peer = new Peer({
      ...options,
      isCancelledByClosing: options.era === 'stateless',
      onRequest: (method, params, signal) => this.#answer(method, params, signal),
    })
    this.#info = { name: options.name, version: '', protocolVersion: '', capabilities: {}, instructions: '' }
  }

  /** Connects and shakes hands. A failure closes the transport. */
  static async open(options: SessionOptions, signal?: AbortSignal): Promise<McpSession> {
    const session = new McpSession(options)
    try {
      await session.#peer.open(signal)
      await (options.era === 'stateless' ? session.#discover(signal) : session.#initialize(signal))
      return session
    } catch (error) {
      await session.close()
      throw error
    }
  }

  get info(): McpServerInfo {
    return this.#info
  }

  get isStateless(): boolean {
    return this.#options.era === 'stateless'
  }

  has(capability: 'tools' | 'resources' | 'prompts'): boolean {
    return this.#info.capabilities[capability] !== undefined
  }

  async request(method: string, params: Fields = {}, options: RequestOptions = {}): Promise<Fields> {
    if (!this.isStateless) return fieldsOf(await this.#peer.request(method, params, options))
    let more: Fields = {}
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const name = textOf(params.name) ?? textOf(params.uri)
      const headers = {
        ...options.headers,
        'mcp-method': method,
        ...(name !== undefined && method !== 'tools/list' && { 'mcp-name': headerValue(name) }),
      }
      const asked = { ...params, ...more, _meta: { ...fieldsOf(params._meta), ...this.#meta() } }
      const result = fieldsOf(await this.#peer.request(method, asked, { ...options, headers }))
      if (result.resultType !== 'input_required') return result
      more = await this.#answerAll(result, options.signal)
    }
    throw invalidAnswer(this.#options.name, `${method} asked back more than ${MAX_ROUNDS} times`)
  }

  /** All items of a list, page by page. */
  async list(method: string, key: string, signal?: AbortSignal): Promise<Fields[]> {
    const items: Fields[] = []
    const cursors = new Set<string>()
    let cursor: string | undefined
    for (let page = 0; page < MAX_PAGES; page++) {
      const result = await this.request(method, cursor === undefined ? {} : { cursor }, { signal })
      const more = result[key]
      if (!Array.isArray(more)) throw invalidAnswer(this.#options.name, `${method}: expected a list of ${key}`)
      for (const item of more) {
        if (items.length >= MAX_ITEMS) return items
        items.push(fieldsOf(item))
      }
      cursor = textOf(result.nextCursor)
      if (cursor === undefined || cursor === '' || cursors.has(cursor)) return items
      cursors.add(cursor)
    }
    return items
  }

  async ping(signal?: AbortSignal): Promise<void> {
    await this.request(this.isStateless ? 'server/discover' : 'ping', {}, { signal })
  }

  /** Begins to take messages that answer nothing, where the server has any to send. */
  listen(): void {
    const { capabilities } = this.#info
    const changes = (key: string) => fieldsOf(capabilities[key]).listChanged === true
    const { answers, transport } = this.#options
    const asks = answers.onElicit ?? answers.onSample ?? answers.roots
    if (!this.isStateless) {
      if (asks || changes('tools') || changes('resources') || changes('prompts')) transport.listen?.()
      return
    }
    if (!changes('tools')) return
    const subscription = this.request(
      'subscriptions/listen',
      { notifications: { toolsListChanged: true } },
      { timeoutMs: Number.POSITIVE_INFINITY },
    )
    // It ends with the connection; the lists can be asked for again all the same.
    subscription.catch(() => {})
  }

  async close(reason = new AlcoveError('closed', 'The connection was closed')): Promise<void> {
    await this.#peer.close(reason)
  }

  async #initialize(signal: AbortSignal | undefined): Promise<void> {
    const { name, clientInfo, transport } = this.#options
    const params = { protocolVersion: SESSION_VERSIONS[0], capabilities: this.#capabilities(), clientInfo }
    const result = fieldsOf(await this.#peer.request('initialize', params, { signal }))
    const protocolVersion = textOf(result.protocolVersion)
    if (protocolVersion === undefined) throw invalidAnswer(name, 'its answer to initialize names no version')
    if (!SESSION_VERSIONS.includes(protocolVersion)) throw versionError(name, plainWords(protocolVersion, 40))
    this.#info = this.#read(result, protocolVersion, result.serverInfo)
    transport.onVersion?.(protocolVersion)
    await this.#peer.notify('notifications/initialized')
  }

  async #discover(signal: AbortSignal | undefined): Promise<void> {
    const { name, transport } = this.#options
    transport.onVersion?.(STATELESS_VERSION)
    const result = await this.request('server/discover', {}, { signal })
    const versions = Array.isArray(result.supportedVersions) ? result.supportedVersions : []
    if (!versions.includes(STATELESS_VERSION)) throw versionError(name, plainWords(versions.join(', '), 80))
    this.#info = this.#read(result, STATELESS_VERSION, fieldsOf(result._meta)[`${KEY}serverInfo`])
  }

  #read(result: Fields, protocolVersion: string, serverInfo: unknown): McpServerInfo {
    const { name, version } = fieldsOf(serverInfo)
    return {
      name: plainWords(name, 100),
      version: plainWords(version, 50),
      protocolVersion,
      capabilities: fieldsOf(result.capabilities),
      instructions: plainWords(result.instructions, 2_000),
    }
  }

  #capabilities(): Fields {
    const { onElicit, onSample, roots } = this.#options.answers
    return { ...(onElicit && { elicitation: {} }), ...(onSample && { sampling: {} }), ...(roots && { roots: {} }) }
  }

  #meta(): Fields {
    return {
      [`${KEY}protocolVersion`]: STATELESS_VERSION,
      [`${KEY}clientInfo`]: this.#options.clientInfo,
      [`${KEY}clientCapabilities`]: this.#capabilities(),
    }
  }

  async #answer(method: string, params: Fields, signal: AbortSignal): Promise<unknown> {
    const { answers, name } = this.#options
    if (method === 'ping') return {}
    const context = { server: name, signal }
    if (method === 'elicitation/create' && answers.onElicit) {
      return (await answers.onElicit(params, context)) ?? { action: 'cancel' }
    }
    if (method === 'sampling/createMessage' && answers.onSample) {
      const result = await answers.onSample(params, context)
      if (result !== undefined && result !== null) return result
      throw new RpcRefusal(-1, 'User rejected sampling request')
    }
    if (method === 'roots/list' && answers.roots) return { roots: answers.roots }
    throw new RpcRefusal(RPC.methodNotFound, `This client has no ${plainWords(method, 60)}`)
  }

  /** What a result asked back for, as parameters of the next try. */
  async #answerAll({ inputRequests, requestState }: Fields, signal = new AbortController().signal): Promise<Fields> {
    const asked = Object.entries(fieldsOf(inputRequests)).slice(0, 16)
    const inputResponses: Record<string, unknown> = {}
    for (const [key, request] of asked) {
      const { method, params } = fieldsOf(request)
      try {
        inputResponses[key] = await this.#answer(textOf(method) ?? '', fieldsOf(params), signal)
      } catch (error) {
        if (isAlcoveError(error) || !(error instanceof RpcRefusal)) throw error
        throw new AlcoveError('permission-denied', `MCP server '${this.#options.name}' asks for what it is not given`, {
          hint: 'Give onElicit or onSample, where the server shall have it.',
          details: { server: this.#options.name, method },
        })
      }
    }
    return { inputResponses, ...(requestState !== undefined && { requestState }) }
  }
}

function versionError(server: string, got: string): AlcoveError {
  const known = [STATELESS_VERSION, ...SESSION_VERSIONS].join(', ')
  return new AlcoveError('version-unsupported', `MCP server '${server}' speaks version ${got || 'unknown'}`, {
    hint: `This client speaks ${known}. Update the server.`,
    details: { server, got },
  })
}

/** The transport's error that names the versions without sessions: the server has no handshake. */
export function isStatelessServer(error: unknown): boolean {
  if (!isAlcoveError(error)) return false
  const { failure, rpcCode, data } = error.details as {
    failure?: { code?: number; data?: unknown }
    rpcCode?: number
    data?: unknown
  }
  const code = failure?.code ?? rpcCode
  if (code === RPC.headerMismatch || code === RPC.unsupportedVersion) return true
  const named = JSON.stringify(failure ?? data ?? '')
  return code !== undefined && named.includes(STATELESS_VERSION)
}
