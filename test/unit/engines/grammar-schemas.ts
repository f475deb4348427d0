import type { JsonSchema } from '../../../src/protocol/model.js'

/** A schema, values that fit it and values that do not. */
export interface SchemaCase {
  readonly what: string
  readonly schema: JsonSchema
  readonly fits: readonly unknown[]
  /** Given as text where they are not plain JSON. */
  readonly refused: readonly unknown[]
}

const person = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] }
const tree = {
  $ref: '#/$defs/node',
  $defs: {
    node: {
      type: 'object',
      properties: { value: { type: 'integer' }, children: { type: 'array', items: { $ref: '#/$defs/node' } } },
      required: ['value'],
    },
  },
}

export const schemaCases: readonly SchemaCase[] = [
  {
    what: 'texts',
    schema: { type: 'string' },
    fits: ['', 'a', 'é日😀', '"\\\n'],
    refused: [1, null, '`"a`', '`"\n"`'],
  },
  {
    what: 'lengths',
    schema: { type: 'string', minLength: 1, maxLength: 2 },
    fits: ['a', '\n😀'],
    refused: ['', 'abc'],
  },
  {
    what: 'whole numbers',
    schema: { type: 'integer' },
    fits: [0, -12, 123456789012345],
    refused: ['`01`', 1.5, '`-`'],
  },
  {
    what: 'numbers',
    schema: { type: 'number' },
    fits: [0, -1.5, 3, '`2e10`', '`1.5E-3`'],
    refused: ['`.5`', '`1.`', '1'],
  },
  {
    what: 'small ranges',
    schema: { type: 'integer', minimum: -2, exclusiveMaximum: 3 },
    fits: [-2, 0, 2],
    refused: [-3, 3],
  },
  {
    what: 'large ranges',
    schema: { type: 'integer', minimum: 1900, maximum: 2100 },
    fits: [1999],
    refused: [-1999, 199],
  },
  {
    what: 'fractions in a range',
    schema: { type: 'number', minimum: 0, maximum: 1 },
    fits: [0, 0.5, 1],
    refused: [1.5, -0.5],
  },
  {
    what: 'negative fractions',
    schema: { type: 'number', minimum: -2, maximum: -1 },
    fits: [-1.5, -2],
    refused: [-2.1, 1, 0],
  },
  { what: 'truth and nothing', schema: { type: ['boolean', 'null'] }, fits: [true, false, null], refused: ['true', 0] },
  {
    what: 'lists of values',
    schema: { enum: ['a', 1, null, { b: [1, 2] }] },
    fits: ['a', 1, null, { b: [1, 2] }],
    refused: ['b', 2],
  },
  { what: 'values of the type alone', schema: { type: 'string', enum: ['a', 1] }, fits: ['a'], refused: [1] },
  { what: 'one value', schema: { const: { a: 'x' } }, fits: [{ a: 'x' }], refused: [{ a: 'y' }, {}] },
  {
    what: 'nested objects',
    schema: { type: 'object', properties: { who: person }, required: ['who'] },
    fits: [{ who: { name: 'x' } }],
    refused: [{ who: {} }, {}, { who: { name: 1 } }],
  },
  {
    what: 'keys that may be missing',
    schema: {
      type: 'object',
      properties: { a: { type: 'integer' }, b: { type: 'integer' }, c: { type: 'integer' } },
      required: ['b'],
    },
    fits: [{ b: 1 }, { a: 1, b: 2 }, { b: 1, c: 2 }, { a: 1, b: 2, c: 3 }],
    refused: [{}, { a: 1 }, { a: 1, c: 2 }, '`{, "b": 1}`', '`{"b": 1, }`', { b: 1, d: 2 }],
  },
  {
    what: 'keys that may all be missing',
    schema: { properties: { a: { type: 'integer' }, b: { type: 'integer' } } },
    fits: [{}, { a: 1 }, { b: 1 }, { a: 1, b: 2 }],
    refused: ['`{, "b": 1}`', { c: 1 }],
  },
  {
    what: 'keys without a schema',
    schema: { type: 'object', required: ['a'] },
    fits: [{ a: [1] }],
    refused: [{}, { b: 1 }],
  },
  {
    what: 'impossible keys are left out',
    schema: { properties: { a: false, b: { const: 1 } } },
    fits: [{}, { b: 1 }],
    refused: [{ a: 1 }],
  },
  {
    what: 'maps',
    schema: { type: 'object', additionalProperties: { type: 'integer' } },
    fits: [{}, { x: 1, 'y"': 2 }],
    refused: [{ x: 'a' }],
  },
  {
    what: 'maps by pattern',
    schema: { type: 'object', patternProperties: { '^k\\d$': { type: 'integer' } } },
    fits: [{}, { k1: 1, k2: 2 }],
    refused: [{ a: 1 }],
  },
  { what: 'no keys', schema: { type: 'object', properties: {} }, fits: [{}], refused: [{ a: 1 }] },
  {
    what: 'no keys at all',
    schema: { type: 'object', properties: {}, additionalProperties: false },
    fits: [{}],
    refused: [{ a: 1 }],
  },
  {
    what: 'arrays',
    schema: { type: 'array', items: { type: 'integer' }, minItems: 1, maxItems: 3 },
    fits: [[1], [1, 2, 3]],
    refused: [[], [1, 2, 3, 4], ['a']],
  },
  {
    what: 'arrays without a limit are bounded',
    schema: { type: 'array', items: { const: 1 } },
    fits: [[], Array(64).fill(1)],
    refused: [Array(65).fill(1)],
  },
  {
    what: 'tuples',
    schema: { type: 'array', prefixItems: [{ type: 'integer' }, { type: 'string' }], items: false },
    fits: [[1, 'a']],
    refused: [[1], [1, 'a', 2], ['a', 1]],
  },
  {
    what: 'tuples without a word on more',
    schema: { prefixItems: [{ const: 1 }] },
    fits: [[1]],
    refused: [[], [1, 1]],
  },
  {
    what: 'tuples that may end early',
    schema: { prefixItems: [{ const: 1 }, { const: 2 }], items: { const: 3 }, minItems: 1 },
    fits: [[1], [1, 2], [1, 2, 3, 3]],
    refused: [[], [1, 3]],
  },
  { what: 'unions', schema: { anyOf: [person, { type: 'integer' }] }, fits: [{ name: 'x' }, 3], refused: ['x', {}] },
  {
    what: 'unions with what holds for all',
    schema: {
      type: 'object',
      properties: { kind: { type: 'string' } },
      required: ['kind'],
      oneOf: [
        { properties: { kind: { const: 'a' } } },
        { properties: { kind: { const: 'b' }, n: { type: 'integer' } }, required: ['n'] },
      ],
    },
    fits: [{ kind: 'a' }, { kind: 'b', n: 1 }],
    refused: [{ kind: 'b' }, { kind: 'c' }],
  },
  {
    what: 'all of several',
    schema: { allOf: [person, { properties: { age: { type: 'integer' } }, required: ['age'] }] },
    fits: [{ name: 'x', age: 1 }],
    refused: [{ name: 'x' }],
  },
  {
    what: 'references',
    schema: { type: 'array', items: { $ref: '#/definitions/p' }, definitions: { p: person } },
    fits: [[{ name: 'a' }]],
    refused: [[1]],
  },
  {
    what: 'references by anchor',
    schema: { $ref: '#p', $defs: { x: { $anchor: 'p', type: 'integer' } } },
    fits: [1],
    refused: ['a'],
  },
  {
    what: 'references with more beside them',
    schema: { $ref: '#/$defs/p', required: ['age'], properties: { age: { const: 1 } }, $defs: { p: person } },
    fits: [{ name: 'a', age: 1 }],
    refused: [{ name: 'a' }],
  },
  {
    what: 'recursion',
    schema: tree,
    fits: [{ value: 1 }, { value: 1, children: [{ value: 2, children: [{ value: 3 }] }] }],
    refused: [{ children: [] }],
  },
  { what: 'nullable of OpenAPI', schema: { type: 'integer', nullable: true }, fits: [1, null], refused: ['a'] },
  { what: 'dates', schema: { type: 'string', format: 'date' }, fits: ['2024-02-29'], refused: ['2024-13-01', 'today'] },
  {
    what: 'times',
    schema: { type: 'string', format: 'date-time' },
    fits: ['2024-02-29T23:59:59Z', '2024-02-29T00:00:00.5+01:00'],
    refused: ['2024-02-29'],
  },
  {
    what: 'patterns',
    schema: { type: 'string', pattern: '^[A-Z]{2}-\\d+(?:a|b)?$' },
    fits: ['AB-1', 'ZZ-99b'],
    refused: ['A-1', 'AB-', 'AB-1c'],
  },
  { what: 'patterns without anchors', schema: { pattern: '[0-9]{2}' }, fits: ['a12b', '12'], refused: ['a1b'] },
  { what: 'patterns with quotation marks', schema: { pattern: '^["\\\\x]+$' }, fits: ['"x\\'], refused: ['a'] },
  { what: 'patterns that no grammar says', schema: { pattern: '^(?=a)\\bx' }, fits: ['anything'], refused: [1] },
  { what: 'anything', schema: true, fits: [1, 'a', [1, [2]], { a: { b: null } }], refused: ['`[1,2]`', '`{ }`'] },
]

/** JSON as our grammars write it. */
export const writeValue = (value: unknown): string => {
  if (typeof value === 'string' && /^`[\s\S]*`$/.test(value)) return value.slice(1, -1)
  if (Array.isArray(value)) return `[${value.map(writeValue).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  return `{${Object.entries(value)
    .map(([key, inner]) => `${JSON.stringify(key)}: ${writeValue(inner)}`)
    .join(', ')}}`
}

/** A schema whose every keyword a grammar can say. */
export function randomSchema(random: () => number, depth: number): unknown {
  const below = (count: number) => Math.floor(random() * count)
  const inner = () => randomSchema(random, depth - 1)
  const kinds = depth > 0 ? 12 : 7
  switch (below(kinds)) {
    case 0:
      return { type: 'string', ...(random() < 0.5 && { minLength: below(3), maxLength: 3 + below(5) }) }
    case 1:
      return { type: 'integer', ...(random() < 0.5 && { minimum: -below(20), maximum: below(20) }) }
    case 2:
      return { type: 'number' }
    case 3:
      return { enum: ['a', 'b c', 1, null, ['x']].slice(0, 1 + below(5)) }
    case 4:
      return { type: ['boolean', 'null'] }
    case 5:
      return { const: { deep: ['value', below(9)] } }
    case 6:
      return { type: 'string', pattern: ['^a+$', '^[a-c]{2}\\d?$', '^(?:x|yz)$', 'q'][below(4)] }
    case 7:
    case 8: {
      const names = ['a', 'b', 'c', 'd e', 'é"'].slice(0, 1 + below(5))
      const properties = Object.fromEntries(names.map((name) => [name, inner()]))
      return { type: 'object', properties, required: names.filter(() => random() < 0.5), additionalProperties: false }
    }
    case 9:
      return { type: 'array', items: inner(), minItems: below(2), maxItems: 1 + below(3) }
    case 10:
      return { anyOf: [inner(), inner()] }
    default:
      return { type: 'object', additionalProperties: inner() }
  }
}
