// An answer in a form: the model is held to a schema, and the object can be read while it grows.
import type { Alcove } from 'alcove'

const booking = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 20 },
    people: { type: 'integer', minimum: 1, maximum: 20 },
    day: { enum: ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'] },
    window: { type: 'boolean' },
  },
  required: ['name', 'people', 'day', 'window'],
  additionalProperties: false,
} as const

/** Gives the growing object, each time whole; the last one fits the schema. A schema of zod works as well, and types the object. */
export async function* readBooking(
  alcove: Alcove,
  letter = 'A table for 4 people on Friday, please, by the window if you can. Ingrid',
) {
  const agent = alcove.agent({
    instructions: 'Read the booking out of the letter.',
    sampling: { temperature: 0, maxTokens: 120 },
  })
  yield* agent.stream(letter, { schema: booking }).partialObject
}
