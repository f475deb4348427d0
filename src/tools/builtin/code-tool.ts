import { type Tool, tool } from '../tool.js'
import type { CodeSession } from './code-session.js'

/** A tool that keeps a sandbox. */
export interface CodeTool extends Tool {
  /** Ends the worker and forgets the code's variables. The next call starts anew. */
  close(): void
}

export interface CodeToolOptions {
  readonly name: string
  readonly description: string
  /** What `code` is, for the model. */
  readonly codeDescription: string
  /** Longest time of one call in all, with the start of the sandbox. */
  readonly timeoutMs: number
  /** Most characters of a result that the model is given. */
  readonly maxCharacters: number
  readonly needsApproval: boolean
  /** Called with the first call. */
  readonly openSession: () => Promise<CodeSession>
}

/** Most characters of code that a model may send. */
const MAX_CODE = 100_000

/** A tool whose one input is code that a session runs. */
export function createCodeTool(options: CodeToolOptions): CodeTool {
  const { name, description, codeDescription, timeoutMs, maxCharacters, needsApproval, openSession } = options
  let opened: Promise<CodeSession> | undefined
  const open = () => {
    opened ??= openSession()
    opened.catch(() => {
      opened = undefined
    })
    return opened
  }
  const made = tool({
    name,
    description,
    input: {
      type: 'object',
      properties: { code: { type: 'string', maxLength: MAX_CODE, description: codeDescription } },
      required: ['code'],
      additionalProperties: false,
    },
    timeoutMs,
    needsApproval,
    async execute({ code }, { signal }) {
      const [session, { codeOutput }] = await Promise.all([open(), import('./code-session.js')])
      return codeOutput(await session.run(String(code), signal), maxCharacters)
    },
  })
  const close = () => {
    opened?.then(
      (session) => session.close(),
      () => {},
    )
  }
  return { ...made, close }
}
