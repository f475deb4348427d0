import { describe, expect, it } from 'vitest'
import { createAgent } from '../../../src/agents/agent.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import { calculate } from '../../../src/tools/builtin/calculate.js'
import { calculatorTool } from '../../../src/tools/builtin/calculator.js'

const value = (expression: string) => calculate(expression, 40).result

describe('calculate', () => {
  it.each([
    ['0.1 + 0.2', '0.3'],
    ['(12.5 + 3) * 4', '62'],
    ['2 + 3 * 4 - 1', '13'],
    ['-2^2', '-4'],
    ['2^3^2', '512'],
    ['2 ** 10', '1024'],
    ['2^-2', '0.25'],
    ['10 % 3', '1'],
    ['-10 mod 3', '2'],
    ['15% of 80', '12'],
    ['200 * 5%', '10'],
    ['50% + 1', '1.5'],
    ['1,234.5 + 1', '1235.5'],
    ['max(1,234, 5)', '234'],
    ['sum(1, 2, 3) / mean(2, 4)', '2'],
    ['12 × 3 ÷ 4 − 1', '8'],
    ['round(2.345, 2)', '2.35'],
    ['round(-2.5)', '-3'],
    ['sqrt(2)', '1.41421356237309504880168872420969807857'],
    ['ln(e)', '1'],
    ['sin(0) + cos(0)', '1'],
    ['log10(1000)', '3'],
    ['factorial(20)', '2432902008176640000'],
    ['factorial(30)', '265252859812191058636308480000000'],
    ['9007199254740993 * 3', '27021597764222979'],
    ['1/3*3', '1'],
    ['1e3 + .5', '1000.5'],
    ['PI', '3.141592653589793238462643383279502884197'],
    ['2^300', '2.037035976334486086268445688409378161051e+90'],
    ['((((1))))', '1'],
    ['- -3', '3'],
    ['0.1 * 3 - 0.3', '0'],
  ])('%s is %s', (expression, expected) => {
    expect(value(expression)).toBe(expected)
  })

  it('says where digits were left out, and only there', () => {
    expect(calculate('1 / 3', 10)).toEqual({ result: '0.3333333333', isRounded: true })
    expect(calculate('1 / 8', 10)).toEqual({ result: '0.125' })
  })

  it.each([
    ['', /expected a number, got the end/],
    ['1 +', /expected a number, got the end/],
    ['1 2', /'2' is out of place/],
    ['(1', /expected '\)', got the end/],
    ['1 / 0', /divides by zero/],
    ['0^-1', /divides by zero/],
    ['5 mod 0', /divides by zero/],
    ['sqrt(-1)', /no real value/],
    ['(-8)^0.5', /no real value/],
    ['nope(1)', /'nope' is not known; known are sqrt/],
    ['constructor', /'constructor' is not known/],
    ['__proto__', /'__proto__' is not/],
    ['sqrt(1, 2)', /sqrt expects 1 numbers, got 2/],
    ['alert("x")', /is not understood/],
    ['1; 2', /'; 2' is not understood/],
    ['factorial(1.5)', /whole number from 0 to 200/],
    ['factorial(1e9)', /whole number from 0 to 200/],
    ['sin(1e300)', /angle of at most/],
    ['9^9^9^9', /larger than 1e1000/],
    ['1e999999999', /larger than 1e1000/],
    [`${'('.repeat(200)}1${')'.repeat(200)}`, /nested deeper than 100/],
    ['-'.repeat(500), /nested deeper than 100/],
    ['1+'.repeat(600), /at most 1000 characters, got 1200/],
  ])('%s is refused', (expression, reason) => {
    expect(() => calculate(expression, 40)).toThrow(reason)
    expect(() => calculate(expression, 40)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })

  it('does not take long with the largest things that it takes', () => {
    const expressions = ['factorial(200) ^ 2', '9.999^0.5^0.5^0.5', `exp(${'1'.repeat(3)})`, '(1/3)^1000', 'ln(1e900)']
    for (const expression of expressions) expect(value(expression)).toMatch(/^[\d.]+(e[+-]\d+)?$/)
  })
})

it('an agent calculates, and is told of mistakes', async () => {
  const calls = ['0.1 + 0.2', '1 / 0'].map((expression) => ({ name: 'calculator', input: { expression } }))
  const model = scriptedModel([{ toolCalls: calls }, 'done'])
  const { messages } = await createAgent({ model, tools: [calculatorTool()] }).generate('Go')
  const outputs = messages.flatMap(({ content }) =>
    typeof content === 'string' ? [] : content.flatMap((part) => (part.type === 'tool-result' ? [part.output] : [])),
  )
  expect(outputs).toEqual([
    { result: '0.3' },
    'Error: calculator failed: The expression cannot be calculated: it divides by zero',
  ])
})
