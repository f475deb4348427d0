// `expect` as vitest has it, for pages and workers, where vitest itself does not run.
import { JestAsymmetricMatchers, JestChaiExpect, JestExtend } from '@vitest/expect'
import type { Assertion } from 'alcove/testing/contracts'
import * as chai from 'chai'

chai.use(JestExtend)
chai.use(JestChaiExpect)
chai.use(JestAsymmetricMatchers)

export const expect = (value: unknown, message?: string): Assertion =>
  chai.expect(value, message) as unknown as Assertion
