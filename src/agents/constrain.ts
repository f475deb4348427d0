import { type CallForm, callGrammar } from '../engines/grammar/call-grammar.js'
import { writeGrammar } from '../engines/grammar/write-grammar.js'
import type {
  ChatModelCapabilities,
  JsonSchema,
  OutputConstraint,
  ToolChoice,
  ToolDescription,
} from '../protocol/model.js'

/** What a model is asked, and what its engine can hold it to. */
export interface ConstrainOptions {
  readonly tools: readonly ToolDescription[]
  readonly toolChoice: ToolChoice
  /** Name of the text format that the calls are written in. */
  readonly dialect: string
  /** What the engine takes. */
  readonly grammar: ChatModelCapabilities['grammar']
  /** Form of an answer without a call. @default any text, which may also stand before the first call */
  readonly answer?: JsonSchema | undefined
  /** Most calls in one turn: a small model would go on for ever. @default 4; 1 for a weak model, which only repeats itself */
  readonly maxCalls?: number | undefined
  /** Whether the model is so small that it gets lost in long strings: those without a limit of their own get a low one. @default false */
  readonly isWeak?: boolean | undefined
}

/** Characters of a string that a weak model writes. */
const WEAK_STRING = 80

/**
 * The form that a turn must have so that every call in it names a tool and has arguments that fit its schema, as far as a grammar can say
 * that. With `auto` text may stand before the first call, or alone; `required` and a name leave no way but to call. Undefined where the
 * engine or the text format does not allow it, or nothing can be called.
 * @throws AlcoveError `invalid-argument` for an input schema that nothing fits, or that refers to nowhere
 */
export function constrainCalls(options: ConstrainOptions): OutputConstraint | undefined {
  const { toolChoice, grammar, answer, isWeak } = options
  const maxCalls = options.maxCalls ?? (isWeak ? 1 : undefined)
  const maxLength = isWeak ? WEAK_STRING : undefined
  const form = Object.hasOwn(CALL_FORMS, options.dialect) ? CALL_FORMS[options.dialect] : undefined
  const tools =
    typeof toolChoice === 'object' ? options.tools.filter(({ name }) => name === toolChoice.name) : options.tools
  if (toolChoice === 'none' || tools.length === 0 || form === undefined) return undefined
  if (grammar !== 'gbnf' && grammar !== 'ebnf') return undefined
  const otherwise = toolChoice !== 'auto' ? 'nothing' : answer === undefined ? 'text' : { schema: answer }
  const calls = callGrammar({ tools, form, otherwise, maxCalls, maxLength })
  return { type: 'grammar', syntax: grammar, grammar: writeGrammar(calls) }
}

const object = { beforeName: '{"name": "', beforeArguments: '", "arguments": ', afterArguments: '}' }
const python = { beforeName: '', beforeArguments: '(', arguments: 'python', afterArguments: ')' } as const

/** Calls in each text format as its models write them, and as the format's parser reads them. */
const CALL_FORMS: Readonly<Record<string, CallForm>> = {
  hermes: {
    ...object,
    open: '<tool_call>',
    beforeName: `\n${object.beforeName}`,
    afterArguments: '}\n</tool_call>',
    between: '\n<tool_call>',
  },
  qwen: {
    open: '✿FUNCTION✿',
    beforeName: ': ',
    beforeArguments: '\n✿ARGS✿: ',
    afterArguments: '',
    between: '\n✿FUNCTION✿',
  },
  react: {
    open: 'Action:',
    atLineStart: true,
    beforeName: ' ',
    beforeArguments: '\nAction Input: ',
    afterArguments: '',
  },
  // Other JSON is text, so it is a call only from its key on.
  json: {
    ...object,
    open: '```json\n{"name": "',
    atLineStart: true,
    beforeName: '',
    afterArguments: '}\n```',
    between: '\n```json\n{"name": "',
  },
  llama3: {
    open: '{"name": "',
    beforeName: '',
    beforeArguments: '", "parameters": ',
    afterArguments: '}',
    between: '; {"name": "',
  },
  mistral: { ...object, open: '[TOOL_CALLS]', afterOpen: ' [', between: ', ', close: ']' },
  phi: { ...object, open: '<|tool_call|>', afterOpen: '[', between: ', ', close: ']<|/tool_call|>' },
  gemma: { ...python, open: '```tool_code', atLineStart: true, afterOpen: '\n', between: '\n', close: '\n```' },
  lfm2: { ...python, open: '<|tool_call_start|>', afterOpen: '[', between: ', ', close: ']<|tool_call_end|>' },
}
