import type { Page } from '@playwright/test'
import type { JsonSchema, OutputConstraint, ToolDescription } from '../../src/protocol/model.js'
import type { CallQuestion, ConstrainedAnswer, ConstrainedSetup } from './pages/constrained.js'
import { expect, models, test } from './setup.js'

type Harness = typeof import('./pages/constrained.js')

const places = { models: '/models/', runtime: '/dist/workers/', wasmUrl: '/dist/workers/wllama.wasm' }

function inHarness<Name extends keyof Harness>(page: Page, name: Name, ...given: Parameters<Harness[Name]>) {
  return page.evaluate(async ([path, called, values]) => (await import(path))[called](...values), [
    '/pages/constrained.js',
    name,
    given,
  ] as const) as Promise<ConstrainedAnswer[]>
}

const schema = (given: JsonSchema): OutputConstraint => ({ type: 'json-schema', schema: given })
const person = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 8 },
    born: { type: 'string', format: 'date' },
    kind: { enum: ['a', 3, null] },
    place: { type: 'array', prefixItems: [{ type: 'integer', minimum: 1, maximum: 99 }, { type: 'boolean' }] },
    pet: { $ref: '#/$defs/pet' },
  },
  required: ['name', 'born', 'kind', 'place', 'pet'],
  $defs: { pet: { anyOf: [{ type: 'boolean' }, { type: 'object', properties: { legs: { const: 4 } } }] } },
}

const tools: ToolDescription[] = [
  {
    name: 'add_numbers',
    description: 'Adds two numbers.',
    inputSchema: {
      type: 'object',
      properties: { a: { type: 'integer' }, b: { type: 'integer' } },
      required: ['a', 'b'],
    },
  },
  {
    name: 'get_weather',
    description: 'Weather of a city.',
    inputSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
]

for (const [engine, id] of [
  ['transformers.js', models.story],
  ['wllama', models.gguf],
] as const) {
  test.describe(`answers in a form, ${engine}`, () => {
    test.skip(id === undefined, 'needs stories260K in ALCOVE_MODELS_DIR or models/')

    test('fit it, and what cannot be a form is refused while the model lives on', async ({ blank }) => {
      const setup: ConstrainedSetup = { id: id ?? '', ...places }
      const forms = [
        schema(person),
        schema({ type: 'string', pattern: '^[A-Z]{2}-\\d{3}$' }),
        schema({ anyOf: [{ const: { a: [1, 'é'] } }, { type: 'null' }] }),
        { type: 'grammar', syntax: 'gbnf', grammar: 'root ::= "yes" | "no"' } as const,
        { type: 'grammar', syntax: 'gbnf', grammar: 'root ::= ((' } as const,
        { type: 'grammar', syntax: 'gbnf', grammar: 'root ::= root "x" | "y"' } as const,
        { type: 'grammar', syntax: 'ebnf', grammar: 'root ::= "y"' } as const,
        schema({ enum: [] }),
        undefined,
      ]
      const sampling = { temperature: 0.8, seed: 5, maxTokens: 400 }
      const answers = await inHarness(blank, 'answerInForms', setup, forms, sampling)
      expect(answers.map(({ error }) => error?.split(':')[0])).toEqual([
        ...Array(4).fill(undefined),
        ...Array(4).fill('invalid-argument'),
        undefined,
      ])
      const [whole, pattern, union, word] = answers.map(({ text }) => text) as [string, string, string, string]
      const { Validator } = await import('@cfworker/json-schema')
      expect(new Validator(person as object).validate(JSON.parse(whole)), whole).toMatchObject({ valid: true })
      expect(JSON.parse(pattern)).toMatch(/^[A-Z]{2}-\d{3}$/)
      expect([{ a: [1, 'é'] }, null]).toContainEqual(JSON.parse(union))
      expect(['yes', 'no']).toContain(word)
      expect(answers.at(-1)?.text.length).toBeGreaterThan(20)
    })
  })
}

test.describe('calls of a small instruct model', () => {
  test.skip(models.onnxChat === undefined, 'needs SmolLM2-135M-Instruct (ONNX) in ALCOVE_MODELS_DIR or models/')

  test('are valid and of the right tool when it is held to a grammar; free text stays possible', async ({ blank }) => {
    const setup: ConstrainedSetup = { id: models.onnxChat ?? '', ...places }
    const base = { tools, isConstrained: true, maxTokens: 96 }
    const questions: CallQuestion[] = [
      { ...base, question: 'What is 17 plus 25?', toolChoice: { name: 'add_numbers' } },
      { ...base, question: 'How is the weather in Paris?', toolChoice: 'required' },
      { ...base, question: 'Hello!', toolChoice: 'auto', maxTokens: 12 },
    ]
    const [sum, weather, hello] = (await inHarness(blank, 'answerWithCalls', setup, questions)) as [
      ConstrainedAnswer,
      ConstrainedAnswer,
      ConstrainedAnswer,
    ]
    expect(sum).toMatchObject({ reason: 'stop', error: undefined })
    expect(sum.text).toBe('<tool_call>\n{"name": "add_numbers", "arguments": {"a": 17, "b": 25}}\n</tool_call>')
    expect(weather.text).toMatch(
      /^<tool_call>\n\{"name": "(add_numbers|get_weather)", "arguments": \{.*\}\}\n<\/tool_call>$/,
    )
    expect(hello.text).not.toBe('')
    expect(hello.error).toBeUndefined()
  })
})
