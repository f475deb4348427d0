// An agent that answers by writing code. It runs in QuickJS, in a frame of its own: no network, no page, bounded time and memory.
import type { Alcove } from 'alcove'
import { javascriptTool } from 'alcove/tools/javascript'

/** Code that fails goes back to the model with its error and line, to be mended. */
export async function* computeByCode(alcove: Alcove, question = 'What is the sum of the first 100 prime numbers?') {
  const sandbox = javascriptTool({ timeoutMs: 3000 })
  try {
    yield* alcove.codeAgent({ tool: sandbox }).stream(question)
  } finally {
    sandbox.close()
  }
}
