import { AlcoveError } from '../../protocol/error.js'

// WebMCP, W3C Community Group draft as of August 2026 (https://webmachinelearning.github.io/webmcp/), as far as it is used here.

export interface ModelContextTool {
  readonly name: string
  readonly title?: string
  readonly description: string
  readonly inputSchema?: object
  readonly annotations?: { readonly readOnlyHint?: boolean; readonly untrustedContentHint?: boolean }
  execute(input: unknown): Promise<unknown>
}

/** What `getTools` gives. Browsers before Chromium 155 gave the schema as JSON text. */
export interface RegisteredTool {
  readonly name: string
  readonly title?: string
  readonly description: string
  readonly inputSchema?: object | string
  readonly origin?: string
  readonly annotations?: {
    readonly readOnlyHint?: boolean
    readonly untrustedContentHint?: boolean
    readonly consequentialHint?: boolean
  }
}

/** `document.modelContext` of a browser that has WebMCP. The older drafts had it at `navigator`, and without the last two methods. */
export interface ModelContext extends Partial<EventTarget> {
  registerTool(
    tool: ModelContextTool,
    options?: { readonly signal?: AbortSignal; readonly exposedTo?: readonly string[] },
  ): Promise<void> | undefined
  unregisterTool?(name: string): void
  getTools?(options?: { readonly fromOrigins?: readonly string[] }): Promise<readonly RegisteredTool[]>
  executeTool?(
    tool: RegisteredTool,
    input: unknown,
    options?: { readonly signal?: AbortSignal },
  ): Promise<string | null>
}

/** The browser's own; undefined where there is none. */
export function findModelContext(): ModelContext | undefined {
  const scope = globalThis as { document?: { modelContext?: unknown }; navigator?: { modelContext?: unknown } }
  const found = (scope.document?.modelContext ?? scope.navigator?.modelContext) as ModelContext | undefined
  return typeof found?.registerTool === 'function' ? found : undefined
}

/** @throws AlcoveError `unavailable` */
export function needModelContext(given: ModelContext | undefined): ModelContext {
  const found = given ?? findModelContext()
  if (found !== undefined) return found
  throw new AlcoveError('unavailable', 'This browser has no WebMCP (document.modelContext)', {
    hint: 'Look with isWebMcpAvailable first. It needs a secure page, and a browser that has WebMCP or its flag.',
  })
}
