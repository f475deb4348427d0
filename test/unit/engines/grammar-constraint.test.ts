import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createAcceptor } from '../../../src/engines/grammar/acceptor.js'
import { createConstrainer } from '../../../src/engines/grammar/constraint.js'
import { readGbnf } from '../../../src/engines/grammar/read-gbnf.js'
import { schemaGrammar } from '../../../src/engines/grammar/schema-grammar.js'
import { createTokenTrie } from '../../../src/engines/grammar/token-trie.js'
import { readTokenBytes, type Vocabulary } from '../../../src/engines/grammar/vocabulary.js'
import type { OutputConstraint } from '../../../src/protocol/model.js'
import { createRandom, readText } from './grammar-reading.js'

const bytes = (text: string) => Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('')

/** Greedy, longest piece first. */
function vocabularyOf(pieces: readonly string[]): Vocabulary {
  const tokens = pieces.map(bytes)
  return {
    tokens,
    encode(text) {
      const found: number[] = []
      for (let rest = text; rest !== ''; ) {
        const best = pieces.reduce(
          (one, piece, id) => (piece && rest.startsWith(piece) && piece.length > (pieces[one] ?? '').length ? id : one),
          0,
        )
        found.push(best)
        rest = rest.slice((pieces[best] as string).length || 1)
      }
      return found
    },
  }
}

const pieces = [
  '',
  '{',
  '}',
  '"',
  'a',
  'b',
  'ab',
  '": ',
  '{"',
  '"a',
  '"ab',
  'tr',
  'true',
  'e',
  'u',
  ' ',
  ':',
  'false',
  '1',
  'é',
]
const gbnf = (grammar: string): OutputConstraint => ({ type: 'grammar', syntax: 'gbnf', grammar })

describe('createTokenTrie', () => {
  it('finds what trying every token finds', () => {
    const random = createRandom(5)
    const letters = '{}"ab: tré1'
    const texts = [
      '',
      ...Array.from({ length: 400 }, () =>
        Array.from({ length: 1 + Math.floor(random() * 5) }, () => letters[Math.floor(random() * letters.length)]).join(
          '',
        ),
      ),
    ]
    const trie = createTokenTrie(texts.map(bytes))
    const start = createAcceptor(schemaGrammar({ properties: { ab: { type: 'string' }, t: { enum: ['é', 1, true] } } }))
    for (const read of ['', '{', '{"ab": "', '{"ab": "x', '{"t": ', '{"t": "', '{"t": 1']) {
      const state = readText(start, read)
      if (state === undefined) throw new Error(read)
      const allowed = trie.allowed(state)
      texts.forEach((text, token) => {
        const isAllowed = (((allowed[token >> 5] as number) >>> (token & 31)) & 1) === 1
        expect(isAllowed, `${read} + ${text}`).toBe(text !== '' && readText(state, text) !== undefined)
      })
    }
  })
})

describe('createConstrainer', () => {
  const start = (output: OutputConstraint) => createConstrainer(vocabularyOf(pieces), new Set([0])).start(output)
  const allowedBy = (constraint: ReturnType<typeof start>) => {
    const logits = new Float32Array(pieces.length + 2)
    constraint.restrict(logits)
    return [...logits.keys()].filter((token) => logits[token] === 0).map((token) => pieces[token] ?? 'padding')
  }

  it('forbids every token that does not fit, padding and the end too, until the form is complete', () => {
    const constraint = start(gbnf('root ::= "{\\"" [ab]+ "\\"}"'))
    expect(allowedBy(constraint)).toEqual(['{', '{"'])
    constraint.accept(pieces.indexOf('{"'))
    expect(allowedBy(constraint)).toEqual(['a', 'b', 'ab'])
    constraint.accept(pieces.indexOf('ab'))
    expect(allowedBy(constraint)).toEqual(['"', 'a', 'b', 'ab'])
    constraint.accept(pieces.indexOf('"'))
    expect(constraint.isComplete).toBe(false)
    constraint.accept(pieces.indexOf('}'))
    expect(constraint.isComplete).toBe(true)
  })

  it('lets the answer end where it may, and go on', () => {
    const constraint = start(gbnf('root ::= "a"+'))
    constraint.accept(pieces.indexOf('a'))
    expect(constraint.isComplete).toBe(false)
    expect(allowedBy(constraint)).toEqual(['', 'a'])
  })

  it('knows what must come, but for its last token', () => {
    const constraint = start({
      type: 'json-schema',
      schema: { properties: { ab: { type: 'boolean' } }, required: ['ab'] },
    })
    expect(constraint.forced().map((token) => pieces[token])).toEqual(['{"', 'ab'])
    for (const token of constraint.forced()) constraint.accept(token)
    expect(constraint.forced()).toEqual([])
    expect(allowedBy(constraint)).toEqual(['"', '": '])
  })

  it('gives all of what must come at the end', () => {
    const constraint = start(gbnf('root ::= "a" | "btrue"'))
    constraint.accept(pieces.indexOf('b'))
    expect(constraint.forced().map((token) => pieces[token])).toEqual(['true'])
  })

  it('says when the vocabulary has no way on', () => {
    const constraint = start(gbnf('root ::= "z"'))
    expect(() => constraint.restrict(new Float32Array(pieces.length))).toThrow(
      expect.objectContaining({ code: 'output-invalid' }),
    )
  })

  it('keeps answers that run side by side apart', () => {
    const constrainer = createConstrainer(vocabularyOf(pieces), new Set([0]))
    const [first, second] = [constrainer.start(gbnf('root ::= "ab"')), constrainer.start(gbnf('root ::= "ab"'))]
    first.accept(pieces.indexOf('ab'))
    expect([first.isComplete, second.isComplete]).toEqual([true, false])
  })

  it('refuses a grammar in another syntax', () => {
    expect(() => start({ type: 'grammar', syntax: 'ebnf', grammar: 'root ::= "a"' })).toThrow(/GBNF/)
  })
})

describe('readTokenBytes', () => {
  const keep = (_: number, content: string) => content

  it('reads byte-level tokens, half characters too', () => {
    const vocabulary = new Map(Object.entries({ Ġhi: 0, 'Ã©': 1, Ã: 2, Ċ: 3, '<end>': 4 }))
    const file = { decoder: { type: 'ByteLevel' }, added_tokens: [{ id: 4, content: '<end>' }] }
    expect(readTokenBytes(file, vocabulary, () => '')).toEqual([' hi', 'Ã©', 'Ã', '\n', ''])
  })

  it('reads SentencePiece tokens and its bytes', () => {
    const vocabulary = new Map(Object.entries({ '▁hi': 0, é: 1, '<0x0A>': 2, '<tool_call>': 3 }))
    const decoder = { type: 'Sequence', decoders: [{ type: 'Replace' }, { type: 'ByteFallback' }] }
    const file = { decoder, added_tokens: [{ id: 3, content: '<tool_call>' }] }
    expect(readTokenBytes(file, vocabulary, keep)).toEqual([' hi', bytes('é'), '\n', '<tool_call>'])
  })

  it('gives up on other kinds', () => {
    expect(readTokenBytes({ decoder: { type: 'WordPiece' } }, new Map(), keep)).toBeUndefined()
    expect(readTokenBytes(undefined, new Map(), keep)).toBeUndefined()
  })

  const file = join(process.env.ALCOVE_MODELS_DIR ?? 'models', 'SmolLM2-135M-Instruct/tokenizer.json')
  it.skipIf(!existsSync(file))(
    'reads a real vocabulary, in which every byte can be written (needs SmolLM2-135M in ALCOVE_MODELS_DIR)',
    () => {
      const json = JSON.parse(readFileSync(file, 'utf8')) as { model: { vocab: Record<string, number> } }
      const tokens = readTokenBytes(json, new Map(Object.entries(json.model.vocab)), () => '') ?? []
      expect(tokens.length).toBe(49_152)
      const trie = createTokenTrie(tokens)
      const state = readText(createAcceptor(readGbnf('root ::= "\\"" [^"]* "\\""')), '"')
      if (state === undefined) throw new Error('expected a string to begin')
      const allowed = trie.allowed(state)
      let brute = 0
      const wrong: string[] = []
      tokens.forEach((token, id) => {
        let next: typeof state | undefined = token === '' ? undefined : state
        for (let at = 0; at < token.length; at++) next = next?.next(token.charCodeAt(at))
        if (next !== undefined) brute++
        const isAllowed = (((allowed[id >> 5] as number) >>> (id & 31)) & 1) === 1
        if (isAllowed !== (next !== undefined)) wrong.push(token)
      })
      expect(wrong).toEqual([])
      expect(brute).toBeGreaterThan(45_000)
    },
  )
})
