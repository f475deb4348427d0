import { AlcoveError } from '../../protocol/error.js'
import { editDistance } from '../../text/edit-distance.js'
import type { FileFacts } from '../engine.js'
import catalogue from './catalogue.json' with { type: 'json' }

/**
 * What the catalogue knows of a model. A field that nobody could look up is absent. `scripts/catalogue.mjs --check` compares it with
 * WebLLM's own list and with the configurations of the models that are here.
 */
export interface CatalogueEntry {
  readonly id: string
  /** Builds of one model have one family: of these, the first of each engine that fits is tried. */
  readonly family: string
  readonly title: string
  readonly goodFor: string
  readonly trust?: 'answer' | 'draft'
  readonly dialect?: string
  /** Whether it writes its thoughts before its answer, where it is not told otherwise. */
  readonly reasoning?: boolean
  /** Context that it is loaded with where memory permits, in tokens; longest text of an embedding model. */
  readonly contextTokens: number
  /** The longest context that the model was made for, in tokens. */
  readonly modelContextTokens?: number
  /** What a token of context takes: keys and values of each layer. */
  readonly cache?: {
    readonly layers: number
    readonly kvHeads: number
    readonly headDim: number
    readonly bytesPerNumber: number
  }
  /** Length of the vectors of an embedding model. */
  readonly dimensions?: number
  readonly downloadBytes?: number
  /** What a self-hosted copy can be converted to, where that is less than what the hub has. */
  readonly leastDownloadBytes?: number
  /** Memory when loaded with `contextTokens`, in bytes: what WebLLM's list says, or what was measured. */
  readonly memoryBytes?: number
  /** Also small graphics cards can hold it: WebLLM's mark, and for ONNX no tensor over 128 MiB. */
  readonly lowResource?: boolean
  /** Speed of reading on one processor core, measured. */
  readonly prefillTokensPerSecond?: number
  readonly needs: readonly string[]
  readonly licence?: string
  /** ISO 639-1 codes; `mul` stands for many more. */
  readonly languages?: readonly string[]
  /** Where the hub has it, when that is not the repo in the id. */
  readonly hubRepo?: string
  readonly revision?: string
  /** Length and hash by file name. */
  readonly files?: Readonly<Record<string, FileFacts>>
  /** The hub has no such file: only `modelBaseUrl` is asked. */
  readonly selfHostedOnly?: boolean
  readonly dtype?: string
  readonly pooling?: 'mean' | 'cls' | 'last'
  readonly queryPrefix?: string
  readonly documentPrefix?: string
}

/** The recommended chat models, best first. */
export const chatCatalogue = catalogue.chat as readonly CatalogueEntry[]
/** The recommended embedding models, best first. */
export const embeddingCatalogue = catalogue.embedding as readonly CatalogueEntry[]
/** The version of WebLLM whose list the catalogue was checked against. */
export const webLlmVersion: string = catalogue.webLlm

const byId = new Map([...chatCatalogue, ...embeddingCatalogue].map((entry) => [entry.id, entry]))

/** The catalogue entry of a model id, if it has one. */
export const findEntry = (id: string): CatalogueEntry | undefined => byId.get(id)

/** Whether a model serves a language, as far as is known. */
export function speaks({ languages }: CatalogueEntry, language: string): boolean {
  const [code = ''] = language.toLowerCase().split('-')
  return languages === undefined || languages.includes('mul') || languages.includes(code)
}

const NEAREST = 3

/**
 * The catalogue's ids that are most like a wrong one, best first: with their engine, and by the model's name alone, since that is often
 * forgotten. None where nothing is like it.
 */
export function nearestIds(wrong: string): string[] {
  const wanted = wrong.toLowerCase()
  const distanceTo = (id: string): number => {
    const name = id.toLowerCase()
    const bare = name.slice(name.indexOf(':') + 1)
    const last = bare.slice(bare.lastIndexOf('/') + 1)
    return Math.min(...[name, bare, last].map((form) => editDistance(wanted, form)))
  }
  return [...byId.keys()]
    .map((id) => ({ id, distance: distanceTo(id) }))
    .filter(({ distance }) => distance <= wanted.length / 2)
    .sort((first, second) => first.distance - second.distance)
    .slice(0, NEAREST)
    .map(({ id }) => id)
}

/**
 * Refuses a model that is known to be for something else, before it is fetched.
 * @throws AlcoveError `invalid-argument`
 */
export function checkKind(wanted: 'chat' | 'embedding', id: string): void {
  const [others, what] =
    wanted === 'chat'
      ? ([embeddingCatalogue, 'finds passages by meaning and writes no answers'] as const)
      : ([chatCatalogue, 'writes answers and makes no vectors'] as const)
  const entry = others.find((each) => each.id === id)
  if (!entry) return
  throw new AlcoveError('invalid-argument', `models.use: ${entry.title} ('${id}') ${what}`, {
    hint: `Choose one of models.list() whose kind is '${wanted}'.`,
  })
}
