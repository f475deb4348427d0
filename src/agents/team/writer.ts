import type { Corpus } from '../../protocol/corpus.js'
import type { FinishReason } from '../../protocol/stream-part.js'
import { repairJson } from '../../tools/json-repair.js'
import { type Agent, type AgentEnvironment, agentOf, createAgent, type Execute } from '../agent.js'
import { withSystem } from './handoff.js'
import { line, type ModelOptions, type TeamOptions } from './members.js'
import { type Prompter, type Prompts, prompter } from './prompts.js'
import { perform, type Stage } from './stage.js'

type WriterPrompt = 'outline' | 'outlineTask' | 'expand' | 'expandTask' | 'continue'

export interface WriterOptions extends TeamOptions, ModelOptions {
  /**
   * `write`: an outline, then its sections one after the other. `outline`: the outline alone. `expand`: the input is an outline. `continue`: the
   * input is a text that is gone on with. @default 'write'
   */
  readonly mode?: 'write' | 'outline' | 'expand' | 'continue' | undefined
  /** Documents to write from: each section is given what they have on it. */
  readonly corpus?: Corpus | undefined
  /** Style, reader, length. */
  readonly instructions?: string | undefined
  /** @default 8 */
  readonly maxSections?: number | undefined
  readonly prompts?: Prompts<WriterPrompt> | undefined
}

export interface Section {
  readonly title: string
  readonly summary: string
}

const OUTLINE_SCHEMA = {
  type: 'object',
  properties: {
    sections: {
      type: 'array',
      items: {
        type: 'object',
        properties: { title: { type: 'string' }, summary: { type: 'string' } },
        required: ['title', 'summary'],
      },
    },
  },
  required: ['sections'],
}
/** How much of what is written already the next section is given, in UTF-16 code units. */
const TAIL = 1500

/** An agent that writes longer texts. */
export function createWriter(options: WriterOptions, environment?: AgentEnvironment): Agent {
  const { name = 'writer', description } = options
  return agentOf({ name, description }, executeWriter(options), environment)
}

/** The runs of a writer. */
export function executeWriter(options: WriterOptions): Execute {
  const { mode = 'write' } = options
  const write = prompter(options.prompts)
  return (job) =>
    perform('writer', job, async (stage) => {
      if (mode === 'continue') return await goOn(stage, options, write)
      const sections = mode === 'expand' ? readOutline(stage.question) : await plan(stage, options, write)
      const kept = sections.slice(0, options.maxSections ?? 8)
      if (mode === 'outline') stage.say(outlineText(kept))
      else await expand(stage, options, write, kept)
      // One text, not one for each section.
      job.record.messages = []
      stage.add({ role: 'assistant', content: job.record.text })
      return 'stop'
    })
}

async function goOn(stage: Stage, options: WriterOptions, write: Prompter<WriterPrompt>): Promise<FinishReason> {
  const { model, sampling, corpus, instructions } = options
  const writer = createAgent({ name: 'continue', model, sampling, corpus, instructions })
  const input = withSystem(write('continue', stage.language), stage.conversation)
  return (await stage.run(writer, input, { isAnswer: true })).finish.reason
}

async function plan(stage: Stage, options: WriterOptions, write: Prompter<WriterPrompt>): Promise<Section[]> {
  const { model, sampling, corpus, instructions, maxSections = 8 } = options
  const output = { type: 'json-schema', schema: OUTLINE_SCHEMA } as const
  const planner = createAgent({ name: 'outline', model, sampling, corpus, instructions, output })
  const task = write('outlineTask', stage.language, { task: stage.question })
  const at = stage.conversation.findLastIndex(({ role }) => role === 'user')
  const system = write('outline', stage.language, { most: maxSections })
  const input = withSystem(system, stage.conversation.with(at, { role: 'user', content: task }))
  const { text } = await stage.run(planner, input)
  const sections = readOutline(text)
  return sections.length > 0 ? sections : [{ title: line(stage.question, 80), summary: '' }]
}

async function expand(
  stage: Stage,
  options: WriterOptions,
  write: Prompter<WriterPrompt>,
  sections: readonly Section[],
): Promise<void> {
  const { model, sampling, corpus, instructions } = options
  const { record } = stage.job
  const writer = createAgent({ name: 'expand', model, sampling, corpus, instructions })
  const outline = outlineText(sections)
  for (const [at, { title, summary }] of sections.entries()) {
    const written = record.text.slice(-TAIL)
    stage.say(`${at > 0 ? '\n\n' : ''}## ${title}\n\n`)
    const task = { task: stage.question, outline, written, number: at + 1, title, summary }
    const content = write('expandTask', stage.language, task)
    await stage.run(writer, withSystem(write('expand', stage.language), [{ role: 'user', content }]), {
      isAnswer: true,
    })
  }
}

/** Sections of an outline: of JSON, else of the lines of a list or of headings. */
export function readOutline(text: string): Section[] {
  const value = repairJson(text.match(/[{[][\s\S]*[}\]]/)?.[0] ?? '')?.value
  const listed: unknown = Array.isArray(value) ? value : (value as { sections?: unknown } | undefined)?.sections
  if (Array.isArray(listed)) {
    const sections = listed.flatMap((one): Section[] => {
      const { title, summary } = (typeof one === 'object' && one !== null ? one : { title: one }) as Record<
        string,
        unknown
      >
      if (typeof title !== 'string' || title.trim() === '') return []
      return [{ title: line(title, 120), summary: typeof summary === 'string' ? line(summary, 500) : '' }]
    })
    if (sections.length > 0) return sections
  }
  return text.split('\n').flatMap((row): Section[] => {
    const [, item] = /^\s*(?:[-*•#]+\s*|\d+[.)、]\s*|[一二三四五六七八九十]+、\s*)(\S.*)$/.exec(row) ?? []
    if (item === undefined) return []
    const [title = '', ...rest] = item.replaceAll('**', '').split(/[:：]\s*/)
    return [{ title: line(title, 120), summary: line(rest.join(': '), 500) }]
  })
}

function outlineText(sections: readonly Section[]): string {
  return sections.map(({ title, summary }, at) => `${at + 1}. ${title}${summary ? `: ${summary}` : ''}`).join('\n')
}
