/** What a contract suite needs of an assertion: the part of `expect` that vitest, jest and Playwright share. */
export interface Assertion {
  readonly not: Assertion
  toBe(expected: unknown): void
  toEqual(expected: unknown): void
  toMatchObject(expected: object): void
  toBeUndefined(): void
  toHaveLength(expected: number): void
  toBeGreaterThan(expected: number): void
  toBeGreaterThanOrEqual(expected: number): void
  toBeLessThanOrEqual(expected: number): void
  toBeCloseTo(expected: number, digits?: number): void
  toContain(expected: unknown): void
}

/** A test runner, handed to a contract suite. */
export interface TestRunner {
  readonly test: (name: string, run: () => Promise<void>) => unknown
  // Runners type `expect` in their own ways; this is what all of them can do.
  readonly expect: (value: unknown, message?: string) => Assertion
}
