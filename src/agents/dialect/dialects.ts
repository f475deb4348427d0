import type { Dialect } from './dialect.js'

/** Every dialect: a file that exports it, and its line here. */
const DIALECTS: Readonly<Record<string, () => Promise<Dialect>>> = {
  none: async () => (await import('./plain.js')).plainDialect,
  hermes: async () => (await import('./hermes.js')).hermesDialect,
  qwen: async () => (await import('./qwen.js')).qwenDialect,
  react: async () => (await import('./react.js')).reactDialect,
  json: async () => (await import('./json.js')).jsonDialect,
  llama3: async () => (await import('./llama3.js')).llama3Dialect,
  gemma: async () => (await import('./gemma.js')).gemmaDialect,
  phi: async () => (await import('./phi.js')).phiDialect,
  lfm2: async () => (await import('./lfm2.js')).lfm2Dialect,
  mistral: async () => (await import('./mistral.js')).mistralDialect,
}

const ALIASES: Readonly<Record<string, string>> = { nous: 'hermes' }

/** Names that an agent may give as `dialect`, besides `auto` and `native`. */
export const dialectNames: readonly string[] = [...Object.keys(DIALECTS), ...Object.keys(ALIASES)]

/** Loads a dialect; undefined when there is none of that name. */
export async function loadDialect(name: string): Promise<Dialect | undefined> {
  const known = Object.hasOwn(ALIASES, name) ? (ALIASES[name] ?? name) : name
  return Object.hasOwn(DIALECTS, known) ? await DIALECTS[known]?.() : undefined
}
