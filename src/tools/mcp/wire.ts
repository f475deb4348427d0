/** Versions of MCP with a session, newest first: the first is what is asked for, any of them is taken. */
export const SESSION_VERSIONS: readonly string[] = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']
/** The version without sessions: each request tells the version and who asks. */
export const STATELESS_VERSION = '2026-07-28'

export type RequestId = string | number
export type Fields = Readonly<Record<string, unknown>>

export interface RpcRequest {
  readonly jsonrpc: '2.0'
  readonly id: RequestId
  readonly method: string
  readonly params?: Fields
}

export interface RpcNotification {
  readonly jsonrpc: '2.0'
  readonly method: string
  readonly params?: Fields
}

export interface RpcFailure {
  readonly code: number
  readonly message: string
  readonly data?: unknown
}

export interface RpcResponse {
  readonly jsonrpc: '2.0'
  readonly id: RequestId | null
  readonly result?: unknown
  readonly error?: RpcFailure
}

/** A message of JSON-RPC 2.0. */
export type RpcMessage = RpcRequest | RpcNotification | RpcResponse

/** Codes of JSON-RPC and MCP that are acted on. */
export const RPC = {
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  busy: -32000,
  notFound: -32002,
  headerMismatch: -32020,
  unsupportedVersion: -32022,
} as const

/** A value as an object to read fields from; nothing else has any. */
export const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}

export const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

export const isRequest = (message: RpcMessage): message is RpcRequest => 'method' in message && 'id' in message
export const isResponse = (message: RpcMessage): message is RpcResponse => !('method' in message)

/** The message that a value is; undefined for anything else. */
export function readMessage(value: unknown): RpcMessage | undefined {
  const { jsonrpc, id, method, params, result, error } = fieldsOf(value)
  if (jsonrpc !== '2.0') return undefined
  const hasId = typeof id === 'string' || typeof id === 'number'
  if (typeof method === 'string') {
    const given = params === undefined ? {} : { params: fieldsOf(params) }
    return hasId ? { jsonrpc, id, method, ...given } : { jsonrpc, method, ...given }
  }
  const failure = readFailure(error)
  if (!hasId && id !== null && id !== undefined) return undefined
  if (failure !== undefined) return { jsonrpc, id: hasId ? id : null, error: failure }
  return hasId && result !== undefined ? { jsonrpc, id, result } : undefined
}

/** The error of a JSON-RPC answer. */
export function readFailure(error: unknown): RpcFailure | undefined {
  const { code, message, data } = fieldsOf(error)
  if (typeof code !== 'number') return undefined
  return { code, message: textOf(message) ?? '', ...(data !== undefined && { data }) }
}
