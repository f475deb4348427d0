import type { Dialect } from './dialect.js'

/** Every dialect: a file that exports it, and its line here. */
const DIALECTS: Readonly<Record<string, () => Promise<Dialect>>> = {
  none: async () => (await import('./plain.js')).plainDialect,
  hermes: async () => (await import('./hermes.js')).hermesDialect,
}

const ALIASES: Readonly<Record<string, string>> = { nous: 'hermes' }

/** Names that an agent may give as `dialect`, besides `auto` and `native`. */
export const dialectNames: readonly string[] = [...Object.keys(DIALECTS), ...Object.keys(ALIASES)]

/** Loads a dialect; undefined when there is none of that name. */
export async function loadDialect(name: string): Promise<Dialect | undefined> {
  const known = ALIASES[name] ?? name
  return Object.hasOwn(DIALECTS, known) ? await DIALECTS[known]?.() : undefined
}
