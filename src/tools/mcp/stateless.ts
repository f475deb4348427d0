import { type Fields, fieldsOf } from './wire.js'

/** A value as a header may carry it: base64 of its UTF-8 where it is not plain ASCII (MCP 2026-07-28, value encoding). */
export function headerValue(value: string): string {
  const isPlain = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !/^=\?base64\?.*\?=$/.test(value)
  if (isPlain) return value
  const bytes = new TextEncoder().encode(value)
  return `=?base64?${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))}?=`
}

/** A parameter that goes into a header too, and where it is in the input. */
export interface HeaderParam {
  readonly header: string
  readonly path: readonly string[]
}

/**
 * The parameters that a tool's schema marks with `x-mcp-header`; undefined when a mark is not as the protocol wants it, and the tool must be
 * left out.
 */
export function readHeaderParams(schema: unknown): readonly HeaderParam[] | undefined {
  const found: HeaderParam[] = []
  let reached = 0
  const visit = (node: unknown, path: readonly string[]): boolean => {
    const { properties, type, 'x-mcp-header': header } = fieldsOf(node)
    if (header !== undefined) {
      reached += 1
      const isName = typeof header === 'string' && /^[!#$%&'*+.^_`|~\w-]{1,100}$/.test(header)
      if (!isName || !['string', 'integer', 'boolean'].includes(type as string)) return false
      found.push({ header: `mcp-param-${header.toLowerCase()}`, path })
    }
    return Object.entries(fieldsOf(properties)).every(([key, child]) => visit(child, [...path, key]))
  }
  if (!visit(schema, [])) return undefined
  const names = new Set(found.map(({ header }) => header))
  return names.size === found.length && reached === countMarks(schema) ? found : undefined
}

/** Marks anywhere: one that `properties` alone do not lead to makes the tool invalid. */
function countMarks(node: unknown, isNames = false): number {
  if (Array.isArray(node)) return node.reduce<number>((sum, child) => sum + countMarks(child), 0)
  const entries = Object.entries(fieldsOf(node))
  return entries.reduce((sum, [key, child]) => {
    if (key === 'x-mcp-header' && !isNames) return sum + 1
    return sum + countMarks(child, key === 'properties' && !isNames)
  }, 0)
}

/** The headers of a call, from its input. */
export function paramHeaders(params: readonly HeaderParam[], input: unknown): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const { header, path } of params) {
    const value = path.reduce<unknown>(
      (at, key) => (Object.hasOwn(fieldsOf(at), key) ? (at as Fields)[key] : undefined),
      input,
    )
    if (typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value)) {
      headers[header] = headerValue(String(value))
    }
  }
  return headers
}
