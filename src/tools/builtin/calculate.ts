import { Decimal } from 'decimal.js'
import { AlcoveError } from '../../protocol/error.js'

/** Bounds of what an expression may be and become. */
const MAX_CHARACTERS = 1000
const MAX_DEPTH = 100
const MAX_EXPONENT = 1000
const MAX_FACTORIAL = 200
/** Largest angle: more has no digits left that mean something. */
const MAX_ANGLE = 1e15

/** Carries more digits than anything that is written, so that sums and products of what people calculate are exact. */
const Exact = Decimal.clone({ precision: 400, maxE: MAX_EXPONENT, minE: -MAX_EXPONENT, defaults: true })
/** For what has no exact value anyway. */
const Rough = Decimal.clone({ precision: 60, maxE: MAX_EXPONENT, minE: -MAX_EXPONENT, defaults: true })

/** The result of an expression. */
export interface Calculation {
  /** The number, in plain digits where they are few, else with an exponent. */
  readonly result: string
  /** Whether digits were left out. */
  readonly isRounded?: true
}

type Token = { readonly kind: 'number' | 'name' | 'sign'; readonly text: string; readonly at: number }

const rough =
  (apply: (value: Decimal) => Decimal) =>
  ([value]: readonly Decimal[]): Decimal =>
    new Exact(apply(new Rough(value ?? 0)))

const angle = (apply: (value: Decimal) => Decimal) =>
  rough((value) => {
    if (value.abs().gt(MAX_ANGLE)) throw wrong(`expected an angle of at most ${MAX_ANGLE}, got ${value.toPrecision(5)}`)
    return apply(value)
  })

const sum = (values: readonly Decimal[]): Decimal => values.reduce((total, value) => total.plus(value), new Exact(0))

/** Functions by name: the fewest and most arguments, and what they do. */
const FUNCTIONS = new Map<string, readonly [min: number, max: number, apply: (values: readonly Decimal[]) => Decimal]>([
  ['sqrt', [1, 1, rough((value) => value.sqrt())]],
  ['cbrt', [1, 1, rough((value) => value.cbrt())]],
  ['ln', [1, 1, rough((value) => value.ln())]],
  ['log', [1, 1, rough((value) => value.log(10))]],
  ['log10', [1, 1, rough((value) => value.log(10))]],
  ['log2', [1, 1, rough((value) => value.log(2))]],
  ['exp', [1, 1, rough((value) => value.exp())]],
  ['sin', [1, 1, angle((value) => value.sin())]],
  ['cos', [1, 1, angle((value) => value.cos())]],
  ['tan', [1, 1, angle((value) => value.tan())]],
  ['asin', [1, 1, rough((value) => value.asin())]],
  ['acos', [1, 1, rough((value) => value.acos())]],
  ['atan', [1, 1, rough((value) => value.atan())]],
  ['abs', [1, 1, ([value = new Exact(0)]) => value.abs()]],
  ['floor', [1, 1, ([value = new Exact(0)]) => value.floor()]],
  ['ceil', [1, 1, ([value = new Exact(0)]) => value.ceil()]],
  ['trunc', [1, 1, ([value = new Exact(0)]) => value.trunc()]],
  ['round', [1, 2, ([value = new Exact(0), places]) => value.toDecimalPlaces(wholeNumber(places, 0, 100))]],
  ['factorial', [1, 1, ([value]) => factorial(wholeNumber(value, 0, MAX_FACTORIAL))]],
  ['pow', [2, 2, ([base = new Exact(0), exponent = new Exact(0)]) => power(base, exponent)]],
  ['mod', [2, 2, ([value = new Exact(0), by = new Exact(0)]) => remainder(value, by)]],
  ['min', [1, MAX_CHARACTERS, (values) => Exact.min(...values)]],
  ['max', [1, MAX_CHARACTERS, (values) => Exact.max(...values)]],
  ['sum', [1, MAX_CHARACTERS, sum]],
  ['mean', [1, MAX_CHARACTERS, (values) => sum(values).div(values.length)]],
  ['average', [1, MAX_CHARACTERS, (values) => sum(values).div(values.length)]],
])

const CONSTANTS = new Map<string, () => Decimal>([
  ['pi', () => new Exact(Rough.acos(-1))],
  ['e', () => new Exact(Rough.exp(1))],
])

/**
 * The value of an expression.
 *
 * @param digits most significant digits of the result
 * @throws AlcoveError `invalid-argument` for what is no expression, has no real value, or is larger than can be written
 */
export function calculate(expression: string, digits: number): Calculation {
  const value = new Parser(tokenize(expression)).parse()
  if (value.isNaN()) throw wrong('it has no real value, such as sqrt(-1)')
  if (!value.isFinite()) throw wrong(`the result is larger than 1e${MAX_EXPONENT}`)
  const shown = value.toSignificantDigits(digits)
  const isPlain = shown.isZero() || (shown.e < digits && shown.e >= -15)
  const result = isPlain ? shown.toFixed() : shown.toExponential()
  return shown.equals(value) ? { result } : { result, isRounded: true }
}

const wrong = (reason: string): AlcoveError =>
  new AlcoveError('invalid-argument', `The expression cannot be calculated: ${reason}`)

const SIGNS: Readonly<Record<string, string>> = { '×': '*', '·': '*', '÷': '/', '−': '-', '–': '-', '**': '^' }

function tokenize(expression: string): Token[] {
  if (expression.length > MAX_CHARACTERS) {
    throw wrong(`expected at most ${MAX_CHARACTERS} characters, got ${expression.length}`)
  }
  const pattern =
    /\s*(?:(\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([A-Za-z]\w*|π)|(\*\*|[-+*/%^(),×·÷−–]))/y
  const tokens: Token[] = []
  // Commas group digits, except between the arguments of a function.
  const calls: boolean[] = []
  const end = expression.trimEnd().length
  while (pattern.lastIndex < end) {
    const at = pattern.lastIndex
    const [all, digits, name, sign] = pattern.exec(expression) ?? []
    if (all === undefined) throw wrong(`'${expression.slice(at).trim().slice(0, 20)}' is not understood`)
    if (sign === '(') calls.push(tokens.at(-1)?.kind === 'name')
    if (sign === ')') calls.pop()
    if (digits?.includes(',') && calls.includes(true)) {
      const first = digits.slice(0, digits.indexOf(','))
      pattern.lastIndex = expression.indexOf(digits, at) + first.length
      tokens.push({ kind: 'number', text: first, at })
    } else if (digits !== undefined) tokens.push({ kind: 'number', text: digits.replaceAll(',', ''), at })
    else if (name !== undefined) tokens.push({ kind: 'name', text: name === 'π' ? 'pi' : name.toLowerCase(), at })
    else tokens.push({ kind: 'sign', text: SIGNS[sign ?? ''] ?? sign ?? '', at })
  }
  return tokens
}

/** Recursive descent: sums, products, signs, powers, percents, then what stands by itself. */
class Parser {
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  parse(): Decimal {
    const value = this.#sum()
    const rest = this.#tokens[this.#at]
    if (rest !== undefined) throw wrong(`'${rest.text}' is out of place`)
    return value
  }

  #take(...texts: readonly string[]): string | undefined {
    const token = this.#tokens[this.#at]
    if (token === undefined || token.kind === 'number' || !texts.includes(token.text)) return undefined
    this.#at++
    return token.text
  }

  #expect(text: string): void {
    if (this.#take(text) === undefined) throw wrong(`expected '${text}', got ${this.#shown()}`)
  }

  #shown(): string {
    const token = this.#tokens[this.#at]
    return token === undefined ? 'the end' : `'${token.text}'`
  }

  #deeper<T>(parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) throw wrong(`it is nested deeper than ${MAX_DEPTH} levels`)
    const made = parse()
    this.#depth--
    return made
  }

  #sum(): Decimal {
    let value = this.#product()
    for (let sign = this.#take('+', '-'); sign !== undefined; sign = this.#take('+', '-')) {
      const right = this.#product()
      value = sign === '+' ? value.plus(right) : value.minus(right)
    }
    return value
  }

  #product(): Decimal {
    let value = this.#signed()
    for (let sign = this.#takeProduct(); sign !== undefined; sign = this.#takeProduct()) {
      const right = this.#signed()
      if (sign === '/') value = divide(value, right)
      else value = sign === '%' || sign === 'mod' ? remainder(value, right) : value.times(right)
    }
    return value
  }

  #takeProduct(): string | undefined {
    return this.#take('*', '/', '%', 'of', 'mod')
  }

  #signed(): Decimal {
    const sign = this.#take('-', '+')
    if (sign === undefined) return this.#power()
    const value = this.#deeper(() => this.#signed())
    return sign === '-' ? value.neg() : value
  }

  #power(): Decimal {
    const base = this.#percent()
    if (this.#take('^') === undefined) return base
    return power(
      base,
      this.#deeper(() => this.#signed()),
    )
  }

  /** `%` is a percent where no number follows, and the remainder where one does. */
  #percent(): Decimal {
    const value = this.#atom()
    const [sign, next] = this.#tokens.slice(this.#at, this.#at + 2)
    if (sign?.kind !== 'sign' || sign.text !== '%') return value
    const isRemainder = next !== undefined && (next.kind === 'number' || next.text === '(' || FUNCTIONS.has(next.text))
    if (isRemainder) return value
    this.#at++
    return value.div(100)
  }

  #atom(): Decimal {
    const token = this.#tokens[this.#at]
    if (token?.kind === 'number') {
      this.#at++
      return new Exact(token.text)
    }
    if (this.#take('(') !== undefined) {
      const value = this.#deeper(() => this.#sum())
      this.#expect(')')
      return value
    }
    if (token?.kind !== 'name') throw wrong(`expected a number, got ${this.#shown()}`)
    this.#at++
    const constant = CONSTANTS.get(token.text)
    return constant === undefined ? this.#call(token.text) : constant()
  }

  #call(name: string): Decimal {
    const entry = FUNCTIONS.get(name)
    if (entry === undefined) {
      throw wrong(
        `'${name.slice(0, 30)}' is not known; known are ${[...FUNCTIONS.keys(), ...CONSTANTS.keys()].join(', ')}`,
      )
    }
    this.#expect('(')
    const values = [this.#deeper(() => this.#sum())]
    while (this.#take(',') !== undefined) values.push(this.#deeper(() => this.#sum()))
    this.#expect(')')
    const [min, max, apply] = entry
    if (values.length < min || values.length > max) {
      throw wrong(`${name} expects ${min === max ? min : `${min} to ${max}`} numbers, got ${values.length}`)
    }
    return apply(values)
  }
}

function divide(value: Decimal, by: Decimal): Decimal {
  if (by.isZero()) throw wrong('it divides by zero')
  return value.div(by)
}

/** The remainder with the sign of the divisor, as in mathematics. */
function remainder(value: Decimal, by: Decimal): Decimal {
  if (by.isZero()) throw wrong('it divides by zero')
  return value.minus(by.times(value.div(by).floor()))
}

function power(base: Decimal, exponent: Decimal): Decimal {
  if (base.isZero() && exponent.isNegative() && !exponent.isZero()) throw wrong('it divides by zero')
  return exponent.isInteger() ? base.pow(exponent) : new Exact(new Rough(base).pow(new Rough(exponent)))
}

function factorial(count: number): Decimal {
  let value = new Exact(1)
  for (let factor = 2; factor <= count; factor++) value = value.times(factor)
  return value
}

function wholeNumber(value: Decimal | undefined, min: number, max: number): number {
  const number = value?.toNumber() ?? min
  if (Number.isInteger(number) && number >= min && number <= max) return number
  throw wrong(`expected a whole number from ${min} to ${max}, got ${value?.toPrecision(5)}`)
}
