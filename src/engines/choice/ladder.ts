import { AlcoveError, toAlcoveError } from '../../protocol/error.js'
import type { ChatModel, ModelTask } from '../../protocol/model.js'
import { chatCatalogue } from './catalogue.js'
import type { Refusal } from './report.js'

/** One rung: a model to try, by id or as an object. */
export type Rung = string | ChatModel

/** Id of a rung. */
export const rungId = (rung: Rung): string => (typeof rung === 'string' ? rung : rung.id)

/**
 * The rungs of `'auto'` for a task, best first. Over documents, a model that is too weak to be trusted alone is never chosen: the
 * extractive answerer quotes and cannot invent. In a chat without documents that answerer is the last resort. The browser's own model is
 * asked about where there is one: it downloads nothing of ours. A remote model is never among them.
 */
export function autoRungs(task: Exclude<ModelTask, 'embedding'>): string[] {
  const rungs = chatCatalogue.filter((entry) => task !== 'documents' || entry.trust === 'answer')
  const own = 'LanguageModel' in globalThis ? ['prompt-api'] : []
  return [...own, ...rungs.map((entry) => entry.id), 'extractive']
}

/**
 * Walks down the rungs until one can be made ready, and notes why the others were refused.
 * @param ready makes one rung ready, or throws why it cannot be had
 * @param before refusals of rungs that need not be tried
 * @param nearest what would fit best if less were asked
 * @throws AlcoveError `aborted` at once when the caller gives up; the refusal of a rung that is the only one; `constraint-unmet` when each was
 *   refused by the constraints, else `model-not-found`, with all refusals and the nearest in its details
 */
export async function walkLadder<Ready>(
  rungs: readonly Rung[],
  ready: (rung: Rung) => Promise<Ready>,
  before: readonly Refusal[] = [],
  nearest?: Refusal,
): Promise<{ readonly ready: Ready; readonly refused: readonly Refusal[] }> {
  const refused: Refusal[] = [...before]
  let last: AlcoveError | undefined
  for (const rung of rungs) {
    try {
      return { ready: await ready(rung), refused }
    } catch (error) {
      last = toAlcoveError(error, 'model-load-failed')
      if (last.code === 'aborted' || last.code === 'closed') throw last
      refused.push({ model: rungId(rung), code: last.code, reason: last.message })
    }
  }
  if (last && refused.length === 1) throw last
  const isAsked = refused.length > 0 && refused.every(({ code }) => code === 'constraint-unmet')
  throw new AlcoveError(
    isAsked ? 'constraint-unmet' : 'model-not-found',
    `none of the ${refused.length} models could be used: ${refused.map((row) => `${row.model} (${row.code})`).join(', ')}`,
    {
      hint: `${nearest ? `The nearest is '${nearest.model}': ${nearest.reason}` : 'See details.refused for each reason.'} \`extractive\` needs no download and always runs.`,
      cause: last,
      details: { refused, ...(nearest && { nearest }) },
    },
  )
}
