import { type Tool, tool } from '../tool.js'

export interface CalculatorToolOptions {
  /** @default 'calculator' */
  readonly name?: string | undefined
  /** Most digits of a result that are written. @default 40 */
  readonly digits?: number | undefined
}

/**
 * A tool that calculates with decimal numbers: `0.1 + 0.2` is `0.3`. Gives `{ result }` as text, with `isRounded` where digits were left out.
 * Nothing is evaluated as code, and digits, exponents, depth and length are bounded.
 */
export function calculatorTool(options: CalculatorToolOptions = {}): Tool {
  const { name = 'calculator', digits = 40 } = options
  return tool({
    name,
    description:
      'Calculates an expression exactly. Use it for every calculation. Knows + - * / % ^ ( ), sqrt, abs, round, floor, ceil, min, max, sum, ' +
      'mean, ln, log10, exp, sin, cos, tan, factorial, pi, e, and percents such as 15% of 80.',
    input: {
      type: 'object',
      properties: {
        // Where decoding is held to the schema, a small model cannot leave the language.
        expression: {
          type: 'string',
          pattern: '^[0-9A-Za-z(π-][0-9A-Za-z .,+*/^()%×÷·−–π-]*$',
          description: 'For example: (12.5 + 3) * 4',
        },
      },
      required: ['expression'],
      additionalProperties: false,
    },
    cache: true,
    async execute({ expression }) {
      const { calculate } = await import('./calculate.js')
      return calculate(String(expression), digits)
    },
  })
}
