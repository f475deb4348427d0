import { isChinese } from '../../text/terms.js'
import type { RunJob } from '../agent.js'
import { lastUserText, readInput } from '../read-input.js'
import { english } from './prompts-en.js'
import { chinese } from './prompts-zh.js'

export type Language = 'en' | 'zh'

/** The names of all prompts. */
export type PromptName = keyof typeof english

/** Prompts of one's own: a text for both languages, or one for each. Words in braces such as `{members}` are filled in. */
export type Prompts<Name extends PromptName = PromptName> = {
  readonly [One in Name]?: string | Partial<Readonly<Record<Language, string>>> | undefined
}

/** Gives a prompt in the language of a run. */
export type Prompter<Name extends PromptName> = (
  name: Name,
  language: Language,
  values?: Readonly<Record<string, string | number>>,
) => string

/** The prompts of a team: its own, else those that come with the library. */
export function prompter<Name extends PromptName>(own: Prompts<Name> | undefined): Prompter<Name> {
  return (name, language, values = {}) => {
    const given: Prompts[PromptName] = own?.[name]
    const text =
      typeof given === 'string' ? given : (given?.[language] ?? (language === 'zh' ? chinese : english)[name])
    // In one go: what is filled in is not looked at again.
    return text.replaceAll(/\{(\w+)\}/g, (whole, key: string) => String(values[key] ?? whole))
  }
}

/** The language that a run is asked in. */
export function languageOf({ resumed, input }: Pick<RunJob, 'resumed' | 'input'>): Language {
  const stored = (resumed?.state as { readonly conversation?: unknown } | undefined)?.conversation
  const conversation = resumed ? (Array.isArray(stored) ? stored : []) : readInput(input)
  return isChinese(lastUserText(conversation)) ? 'zh' : 'en'
}
