// What a tool's schema says of its input. Nothing here runs; see parts.ts.

import { createAgent, tool } from 'alcove'
import { scriptedModel } from 'alcove/testing'

/** Takes values of exactly this type. */
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function holds<_ extends true>(): void

/** A schema as libraries of Standard Schema give it. */
interface PlanSchema {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => { readonly value: { readonly day: string; readonly hours: number } }
    readonly types?: {
      readonly input: { readonly day: string; readonly hours?: number }
      readonly output: { readonly day: string; readonly hours: number }
    }
  }
}
declare const plan: PlanSchema

export const tools = [
  tool({
    name: 'plain',
    description: 'JSON Schema tells the compiler nothing',
    input: { type: 'object', properties: { city: { type: 'string' } } },
    execute(input, { signal, callId, report }) {
      holds<Equal<typeof input.city, unknown>>()
      // @ts-expect-error what it is must be looked at
      input.city.length
      // @ts-expect-error inputs are never changed
      input.city = 'Oslo'
      signal satisfies AbortSignal
      callId satisfies string
      report({ any: 'thing' })
    },
  }),
  tool({
    name: 'typed',
    description: 'A Standard Schema gives its output',
    input: plan,
    needsApproval: ({ hours }) => hours > 8,
    async execute(input) {
      holds<Equal<typeof input.hours, number>>()
      holds<Equal<typeof input.day, string>>()
      // @ts-expect-error the schema has no such field
      input.place
      return { done: input.hours }
    },
  }),
  tool({ name: 'bare', description: 'No schema at all', execute: () => 'done' }),
]

createAgent({ model: scriptedModel([]), tools })
// @ts-expect-error a tool does something
tool({ name: 'idle', description: '' })
// @ts-expect-error a model must know what it is for
tool({ name: 'odd', execute: () => 1 })
// @ts-expect-error a misspelt option
tool({ name: 'odd', description: '', execute: () => 1, timeout: 5 })
