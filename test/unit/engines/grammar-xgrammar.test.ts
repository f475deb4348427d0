import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { beforeAll, describe, expect, it } from 'vitest'
import { constrainCalls } from '../../../src/agents/constrain.js'
import { schemaGrammar } from '../../../src/engines/grammar/schema-grammar.js'
import { writeGrammar } from '../../../src/engines/grammar/write-grammar.js'
import type { JsonSchema } from '../../../src/protocol/model.js'
import { createRandom, fits, writeText } from './grammar-reading.js'
import { randomSchema, schemaCases, writeValue } from './grammar-schemas.js'

interface Matcher {
  _acceptString(text: string): boolean
  isTerminated(): boolean
  acceptToken(token: number): boolean
  dispose(): void
}

/** The grammar engine of WebLLM, which its bundle has inside. */
interface XGrammar {
  readonly TokenizerInfo: { createTokenizerInfo(vocabulary: string[], ...rest: unknown[]): Promise<unknown> }
  readonly GrammarCompiler: {
    createGrammarCompiler(info: unknown): Promise<{ compileGrammar(grammar: string): Promise<unknown> }>
  }
  readonly GrammarMatcher: { createGrammarMatcher(compiled: unknown): Promise<Matcher> }
}

const STOP = 0

function openXGrammar(): XGrammar {
  const require = createRequire(import.meta.url)
  const source = readFileSync(require.resolve('@mlc-ai/web-llm'), 'utf8')
  const place = source.indexOf('class GrammarCompiler {')
  const start = source.lastIndexOf('(function (global, factory)', place)
  const end = source.indexOf('} (lib$', place)
  if (place < 0 || start < 0 || end < 0) throw new Error('the bundle of WebLLM is not as expected')
  const code = source.slice(start, end).replaceAll(/["']MLC_DUMMY_PATH["']/g, JSON.stringify(import.meta.url))
  const outer = /\}\)\((lib\$\d+), /.exec(code)?.[1] ?? ''
  const exports = {}
  new Function(outer, 'exports', 'createRequire', '__dirname', code)({}, exports, () => require, '/')
  return exports as XGrammar
}

/** Byte tokens, so that every text can be written; the first one ends an answer. */
const vocabulary = ['</s>', ...Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)), '\n']

describe('what WebLLM makes of our grammars', () => {
  let fitsThere: (grammar: string, text: string) => Promise<boolean>

  beforeAll(async () => {
    const { TokenizerInfo, GrammarCompiler, GrammarMatcher } = openXGrammar()
    const info = await TokenizerInfo.createTokenizerInfo(vocabulary, 'raw', false, vocabulary.length, [STOP])
    const compiler = await GrammarCompiler.createGrammarCompiler(info)
    fitsThere = async (grammar, text) => {
      const matcher = await GrammarMatcher.createGrammarMatcher(await compiler.compileGrammar(grammar))
      try {
        return (text === '' || matcher._acceptString(text)) && matcher.acceptToken(STOP)
      } finally {
        matcher.dispose()
      }
    }
  })

  it.each(schemaCases)('says $what', async ({ schema, fits: good, refused }) => {
    const grammar = writeGrammar(schemaGrammar(schema))
    for (const value of good) expect(await fitsThere(grammar, writeValue(value)), writeValue(value)).toBe(true)
    for (const value of refused) expect(await fitsThere(grammar, writeValue(value)), writeValue(value)).toBe(false)
  })

  it('takes calls, with text before them and in the right number', async () => {
    const inputSchema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
    const output = constrainCalls({
      tools: [{ name: 'get_weather', description: '', inputSchema }],
      toolChoice: 'auto',
      dialect: 'hermes',
      grammar: 'ebnf',
    })
    const grammar = output?.type === 'grammar' ? output.grammar : ''
    const call = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
    for (const text of ['Hello <b> <<tool', call, `Let me see. ${call}\n${call}`]) {
      expect(await fitsThere(grammar, text), text).toBe(true)
    }
    for (const text of ['<tool_call>', `${call} more`, call.replace('city', 'town'), Array(5).fill(call).join('\n')]) {
      expect(await fitsThere(grammar, text), text).toBe(false)
    }
  })

  it('takes what we write by chance, and no more than we do', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = createRandom(seed)
      const grammar = schemaGrammar(randomSchema(random, 3) as JsonSchema)
      const text = writeText(grammar, random)
      expect(await fitsThere(writeGrammar(grammar), text), `seed ${seed}: ${text}`).toBe(true)
      const at = Math.floor(random() * text.length)
      const damaged = text.slice(0, at) + text.slice(at + 1)
      // What is cut in the middle of a pair is no text.
      if (/[\ud800-\udfff]/.test(damaged)) continue
      expect(await fitsThere(writeGrammar(grammar), damaged), `seed ${seed}: ${damaged}`).toBe(fits(grammar, damaged))
    }
  })
})
