import type { Assertion, TestRunner } from 'alcove/testing/contracts'

/** What came of one case of a contract suite. */
export interface CaseOutcome {
  readonly name: string
  /** Why it failed. */
  readonly error?: string
}

/** No case takes nearly as long; one that hangs must not take the others' reports with it. */
const CASE_MS = 60_000

async function withinLimit(work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${CASE_MS} ms`)), CASE_MS)
  })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}

/** Runs a contract suite one case after the other where there is no test runner, such as in a page or a worker. */
export async function collectCases(
  expect: (value: unknown, message?: string) => Assertion,
  define: (runner: TestRunner) => void,
): Promise<CaseOutcome[]> {
  const cases: { name: string; run: () => Promise<void> }[] = []
  define({ expect, test: (name, run) => cases.push({ name, run }) })
  const outcomes: CaseOutcome[] = []
  for (const { name, run } of cases) {
    try {
      await withinLimit(run())
      outcomes.push({ name })
    } catch (error) {
      outcomes.push({ name, error: error instanceof Error ? error.message : String(error) })
    }
  }
  return outcomes
}
