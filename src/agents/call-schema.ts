import type { OutputConstraint, ToolDescription } from '../protocol/model.js'

/**
 * A call of one tool as a JSON Schema, `{"name": …, "arguments": …}`, for engines that take no grammar. The root is an object without
 * alternatives, since many engines want that of it.
 */
export function callSchema({ name, inputSchema }: ToolDescription): OutputConstraint {
  const definitions = new Map<string, unknown>()
  const input = relocate(inputSchema, definitions, true)
  return {
    type: 'json-schema',
    schema: {
      ...objectOf({ name: { type: 'string', enum: [name] }, arguments: input }),
      ...Object.fromEntries(definitions),
    },
  }
}

/** The name of one of several tools, as `{"name": …}`. */
export function nameSchema(tools: readonly ToolDescription[]): OutputConstraint {
  return { type: 'json-schema', schema: objectOf({ name: { type: 'string', enum: tools.map(({ name }) => name) } }) }
}

function objectOf(properties: Readonly<Record<string, unknown>>) {
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false }
}

const DEFINITIONS: readonly string[] = ['$defs', 'definitions']
/** Where a tool's schema stands in that of a call. */
const PLACE = '#/properties/arguments'

/** A schema for another place: its definitions go to the root, where references to them lead; other references into it are lengthened. */
function relocate(value: unknown, definitions: Map<string, unknown>, isRoot: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => relocate(item, definitions, false))
  if (typeof value !== 'object' || value === null) return value
  const entries: [string, unknown][] = []
  for (const [key, inner] of Object.entries(value)) {
    if (key === '$ref' && typeof inner === 'string') entries.push([key, relocateReference(inner)])
    else if (isRoot && DEFINITIONS.includes(key)) definitions.set(key, relocate(inner, definitions, false))
    else if (!isRoot || key !== '$schema') entries.push([key, relocate(inner, definitions, false)])
  }
  return Object.fromEntries(entries)
}

function relocateReference(reference: string): string {
  const isDefined = DEFINITIONS.some((key) => reference.startsWith(`#/${key}/`))
  return reference.startsWith('#') && !isDefined ? PLACE + reference.slice(1) : reference
}
