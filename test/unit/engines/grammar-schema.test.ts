import { Validator } from '@cfworker/json-schema'
import { describe, expect, it } from 'vitest'
import { readGbnf } from '../../../src/engines/grammar/read-gbnf.js'
import { schemaGrammar } from '../../../src/engines/grammar/schema-grammar.js'
import { writeGrammar } from '../../../src/engines/grammar/write-grammar.js'
import type { JsonSchema } from '../../../src/protocol/model.js'
import { createRandom, fits, writeText } from './grammar-reading.js'
import { randomSchema, schemaCases, writeValue } from './grammar-schemas.js'

describe('schemaGrammar', () => {
  it.each(schemaCases)('says $what', ({ schema, fits: good, refused }) => {
    const grammar = schemaGrammar(schema)
    const again = readGbnf(writeGrammar(grammar))
    for (const value of good) {
      expect(fits(grammar, writeValue(value)), `${writeValue(value)} fits`).toBe(true)
      expect(fits(again, writeValue(value)), `${writeValue(value)} fits what was written`).toBe(true)
    }
    for (const value of refused) {
      expect(fits(grammar, writeValue(value)), `${writeValue(value)} is refused`).toBe(false)
      expect(fits(again, writeValue(value)), `${writeValue(value)} is refused by what was written`).toBe(false)
    }
  })

  it.each([
    ['false', false],
    ['an empty enum', { enum: [] }],
    ['limits that exclude each other', { type: 'integer', minimum: 3, maximum: 1 }],
    ['an impossible key', { type: 'object', properties: { a: false }, required: ['a'] }],
    ['a reference to nowhere', { $ref: '#/$defs/none' }],
    ['a reference to elsewhere', { $ref: 'https://example.com/schema.json' }],
    ['a reference to itself', { $ref: '#' }],
    ['a union of itself', { anyOf: [{ $ref: '#' }] }],
    ['all of itself', { allOf: [{ $ref: '#' }, { type: 'string' }] }],
    ['endless recursion', { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] }],
    ['an unknown type', { type: 'text' }],
  ])('refuses %s', (_, schema) => {
    expect(() => schemaGrammar(schema as JsonSchema)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })

  it('keeps a name like __proto__ a name', () => {
    const schema = JSON.parse('{"properties": {"__proto__": {"const": 1}, "constructor": {"const": 2}}}') as JsonSchema
    const grammar = schemaGrammar({ allOf: [schema, { required: ['__proto__'] }] })
    expect(fits(grammar, '{"__proto__": 1, "constructor": 2}')).toBe(true)
    expect(fits(grammar, '{"constructor": 2}')).toBe(false)
  })

  it('does not change the schema', () => {
    const schema = structuredClone(schemaCases.find(({ what }) => what.startsWith('unions with'))?.schema) as JsonSchema
    const before = JSON.stringify(schema)
    schemaGrammar(schema)
    expect(JSON.stringify(schema)).toBe(before)
  })

  it('stays small where options and recursion multiply', () => {
    const properties = Object.fromEntries(
      Array.from({ length: 200 }, (_, index) => [`k${index}`, { $ref: '#/$defs/t' }]),
    )
    const schema = { type: 'object', properties, $defs: { t: { anyOf: [{ type: 'string' }, { $ref: '#' }] } } }
    expect(schemaGrammar(schema).rules.size).toBeLessThan(4_000)
  })

  it('writes only what fits: random texts of random schemas', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = createRandom(seed)
      const schema = randomSchema(random, 3) as JsonSchema
      const grammar = schemaGrammar(schema)
      const again = readGbnf(writeGrammar(grammar))
      const validator = new Validator(schema as object, '2020-12')
      for (let round = 0; round < 5; round++) {
        const text = writeText(grammar, random)
        const value = JSON.parse(text) as unknown
        expect(validator.validate(value).valid, `seed ${seed}: ${text} for ${JSON.stringify(schema)}`).toBe(true)
        expect(fits(again, text), `seed ${seed}: ${text} by the written grammar`).toBe(true)
      }
    }
  })
})
