import type { Agent, AgentInput, AgentOptions, createAgent } from './agents/agent.js'
import { AlcoveError } from './protocol/error.js'

/**
 * Makes an agent's first answers quick: its model reads instructions and tools now, or answers questions into the answer cache.
 * @param make `createAgent`: the page has it already
 * @throws AlcoveError `invalid-argument` for questions to an agent with tools; what a run fails with
 */
export async function preloadAgent(
  make: typeof createAgent,
  agent: Agent,
  options: AgentOptions,
  questions: readonly AgentInput[] = [],
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  if (questions.length > 0 && options.tools?.length) {
    throw new AlcoveError('invalid-argument', 'agent.preload: expected no questions for an agent with tools', {
      hint: 'Its tools would be run. Call preload() without questions: the model then reads instructions and tools.',
    })
  }
  for (const question of questions) await agent.generate(question, { signal, cache: true, priority: 'background' })
  if (questions.length > 0) return
  // The beginning of the prompt is the same in every run; one token of answer is the least that an engine can be asked for.
  const reader = make({
    ...options,
    corpus: undefined,
    output: undefined,
    maxSteps: 1,
    toolChoice: 'auto',
    sampling: { temperature: 0, maxTokens: 1 },
  })
  await reader.generate('.', { signal, cache: false, priority: 'background' })
}
