import { AlcoveError, type AlcoveErrorCode, isAlcoveError } from '../../protocol/error.js'
import { RPC, type RpcFailure } from './wire.js'
import { plainWords } from './words.js'

/** What an incoming request is refused with. */
export class RpcRefusal extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

const CODES: Readonly<Record<number, AlcoveErrorCode>> = {
  [RPC.methodNotFound]: 'not-found',
  [RPC.invalidParams]: 'invalid-argument',
  [RPC.notFound]: 'not-found',
  [RPC.unsupportedVersion]: 'version-unsupported',
}

/** The error for one that the server answered with. */
export function rpcError(server: string, method: string, { code, message, data }: RpcFailure): AlcoveError {
  const words = plainWords(message, 400) || 'it gave no reason'
  return new AlcoveError(CODES[code] ?? 'tool-failed', `MCP server '${server}' refused ${method}: ${words}`, {
    hint: 'See what the server says; its own log may tell more.',
    details: { server, method, rpcCode: code, ...(isSmall(data) && { data }) },
  })
}

/** Data of an error is kept where it is short and plain. */
function isSmall(data: unknown): boolean {
  try {
    return data !== undefined && (JSON.stringify(data)?.length ?? 0) < 2_000
  } catch {
    return false
  }
}

/** The error of an answer that is not what the protocol says. */
export function invalidAnswer(server: string, got: string, cause?: unknown): AlcoveError {
  return new AlcoveError('parse-failed', `MCP server '${server}': ${plainWords(got, 300)}`, {
    hint: 'Check that the address is the MCP endpoint of a server that works: it often ends in /mcp or /sse.',
    cause,
    details: { server },
  })
}

/** The error of an answer that stopped before its end. */
export function brokenOff(server: string, cause?: unknown): AlcoveError {
  return new AlcoveError('network', `MCP server '${server}' closed the connection before it answered`, {
    hint: 'Try again. What was asked may have been done all the same.',
    cause,
    details: { server },
  })
}

export function tooLarge(server: string, maxBytes: number): AlcoveError {
  return new AlcoveError('too-large', `MCP server '${server}' sent a message of more than ${maxBytes} bytes`, {
    hint: 'Ask for less, or raise maxMessageBytes for a server that you trust.',
    details: { server, maxBytes },
  })
}

/** Whether an error of the first request says that the server may be an old one. */
export function isOldServer(error: unknown): boolean {
  if (!isAlcoveError(error, 'http-status')) return false
  const { status, failure } = error.details as { status?: number; failure?: { code?: number } }
  const isModern = failure?.code !== undefined && failure.code <= -32020 && failure.code >= -32099
  return !isModern && (status === 400 || status === 404 || status === 405)
}
