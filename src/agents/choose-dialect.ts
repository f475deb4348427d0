import { AlcoveError } from '../protocol/error.js'
import type { Dialect } from './dialect/dialect.js'
import { dialectNames, loadDialect } from './dialect/dialects.js'

/**
 * The text format for tools.
 *
 * @param named `auto`, or the name of one
 * @param own the format that the model's chat template knows
 * @throws AlcoveError `invalid-argument` when there is none of that name
 */
export async function chooseDialect(
  named: string,
  hasTools: boolean,
  own: string | undefined,
): Promise<Dialect | undefined> {
  if (named === 'auto') {
    return hasTools ? ((await loadDialect(own ?? '')) ?? (await loadDialect('hermes'))) : await loadDialect('none')
  }
  const dialect = await loadDialect(named)
  if (dialect !== undefined) return dialect
  throw new AlcoveError(
    'invalid-argument',
    `dialect: expected auto, native or one of ${dialectNames.join(', ')}, got '${named}'`,
  )
}
