import { repairJson } from '../../tools/json-repair.js'
import { createAgent } from '../agent.js'
import type { AgentInput } from '../options.js'
import { comparable, type ModelOptions } from './members.js'
import type { Stage } from './stage.js'

export interface Choice {
  readonly name: string
  /** What the model said about it. */
  readonly why: string
}

export interface ChoiceOptions extends ModelOptions {
  /** Of the agent that chooses, for `agentPath`. */
  readonly name: string
  readonly instructions: string
  readonly question: string
  readonly names: readonly string[]
  /** What a model is told that named nobody. */
  readonly again: string
}

/** Enough for a name and a reason. */
const MAX_TOKENS = 200

/**
 * Lets a model choose a name. It is held to the names where its engine can; else JSON is read, or text that has one of the names. What names
 * nobody is asked for again, once.
 *
 * @returns undefined when it named nobody again
 */
export async function chooseName(stage: Stage, options: ChoiceOptions): Promise<Choice | undefined> {
  const { names, instructions, model, name, sampling } = options
  const schema = {
    type: 'object',
    properties: { agent: { enum: names }, why: { type: 'string', maxLength: 200 } },
    required: ['agent', 'why'],
    additionalProperties: false,
  }
  const chooser = createAgent({
    name,
    instructions,
    model,
    sampling: { temperature: 0, maxTokens: MAX_TOKENS, ...sampling },
    output: { type: 'json-schema', schema },
  })
  const asked = { role: 'user', content: options.question } as const
  let input: AgentInput = [asked]
  for (let tries = 0; tries < 2; tries++) {
    const { text, messages } = await stage.run(chooser, input)
    const choice = readChoice(text, names)
    if (choice) return choice
    input = [asked, ...messages, { role: 'user', content: options.again }]
  }
  return undefined
}

/** The one name that a text gives. */
export function readChoice(text: string, names: readonly string[]): Choice | undefined {
  const value = repairJson(text.match(/\{[\s\S]*\}/)?.[0] ?? '')?.value
  const { agent, why } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  if (typeof agent === 'string') {
    const name = names.find((one) => comparable(one) === comparable(agent))
    return name === undefined ? undefined : { name, why: typeof why === 'string' ? why : '' }
  }
  const mentioned = names.filter((name) => isMentioned(name, text))
  const [name] = mentioned
  return mentioned.length === 1 && name !== undefined ? { name, why: '' } : undefined
}

/** Whether a text has a name, and not only as a part of a longer word. Chinese and Japanese have no space between words. */
function isMentioned(name: string, text: string): boolean {
  if (/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(name)) return text.includes(name)
  const escaped = name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`(?<![\\p{L}\\p{N}_-])${escaped}(?![\\p{L}\\p{N}_-])`, 'iu').test(text)
}
