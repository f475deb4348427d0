import type { AlcoveError } from '../../protocol/error.js'
import type { Clock } from '../../runtime/clock.js'
import type { BackoffOptions } from '../../runtime/retry.js'
import type { Tool } from '../tool.js'
import type { McpPrompts, McpResources } from './features.js'
import type { McpHttpOptions } from './http-fetch.js'
import type { ServerToolOptions } from './server-tool.js'
import type { McpAnswers, McpServerInfo } from './session.js'

export interface McpServerOptions extends McpHttpOptions {
  /** What the server is called here, for errors and prefixes. @default the address's host, or 'page' for a port */
  readonly name?: string | undefined
  /** Address of the MCP endpoint. Give this or `port`. */
  readonly url?: string | URL | undefined
  /** A port to a server in this page's frames or workers. */
  readonly port?: MessagePort | undefined
  /** `http` is Streamable HTTP, `sse` the transport of 2024-11-05. @default 'auto': the first, and the other where the server is old */
  readonly transport?: 'auto' | 'http' | 'sse' | undefined
  /** Longest time of one call of a tool. @default 60_000 */
  readonly timeoutMs?: number | undefined
  /** Longest wait for the handshake and for each other request. @default 20_000 */
  readonly connectTimeoutMs?: number | undefined
  /** Longest message that is taken from the server, in bytes. @default 8_000_000 */
  readonly maxMessageBytes?: number | undefined
  /** Longest text of one result, in UTF-16 code units; more is cut. @default 200_000 */
  readonly maxTextLength?: number | undefined
  /** Puts the server's name before the names of all its tools. @default false: only where a name is taken twice */
  readonly prefix?: boolean | undefined
  /** Which tools are taken, by the server's own names. @default all */
  readonly allow?: readonly string[] | undefined
  /** Whether a person must agree to a call. @default a tool that its server calls destructive */
  readonly needsApproval?: ServerToolOptions['needsApproval']
}

export interface McpOptions extends McpServerOptions, McpAnswers {
  /** Several servers at once, in place of `url` or `port`. One that fails stops no other. */
  readonly servers?: readonly McpServerOptions[] | undefined
  /** Names that other tools have: one of a server that is the same gets the server's name before it. */
  readonly reservedNames?: readonly string[] | undefined
  /** Told when a server's state or its tools changed. An agent has the tools of when it was made: make it anew. */
  readonly onChange?: ((connection: McpConnection) => void) | undefined
  /** Ends the attempt to connect. */
  readonly signal?: AbortSignal | undefined
  readonly clock?: Clock | undefined
  /** Of the attempts to connect again. */
  readonly backoff?: BackoffOptions | undefined
}

export type McpServerStatus = 'connecting' | 'ready' | 'failed' | 'closed'

/** How it stands with one server. */
export interface McpServerState extends Partial<Omit<McpServerInfo, 'name'>> {
  readonly name: string
  /** What the server calls itself. */
  readonly title?: string
  readonly status: McpServerStatus
  /** Why it failed, or why it is being connected again. */
  readonly error?: AlcoveError
  /** Tools that were left out, and why. */
  readonly problems: readonly AlcoveError[]
}

/** Servers that are connected. */
export interface McpConnection {
  /** Of all servers that are ready, at this moment. */
  readonly tools: readonly Tool[]
  readonly resources: McpResources
  readonly prompts: McpPrompts
  readonly servers: readonly McpServerState[]
  /** Asks all servers for their tools again, and connects those that failed. */
  refresh(signal?: AbortSignal): Promise<void>
  /** Ends all sessions. Calls that run fail with `closed`. */
  close(): Promise<void>
}
