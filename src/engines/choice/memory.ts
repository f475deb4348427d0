import type { CatalogueEntry } from './catalogue.js'
import type { DeviceProfile } from './device.js'

/** Below this, tools and passages no longer fit in a prompt. */
export const LEAST_CONTEXT = 1_024

/** What llama.cpp on WebAssembly took beside a file of 98 MB and its cache of 2,048 tokens: 470 MB in all, measured. */
const WASM_RUNTIME_BYTES = 325_000_000

/** Keys and values of one token in all layers, in bytes; undefined where the model's shape is not known. */
export function cacheBytesPerToken({ cache }: CatalogueEntry): number | undefined {
  return cache && 2 * cache.layers * cache.kvHeads * cache.headDim * cache.bytesPerNumber
}

/**
 * Memory of a model with so long a context, in bytes: the known figure less the part of the cache that is not made, or the file with
 * cache and runtime. Undefined where too little is known.
 */
export function predictMemory(entry: CatalogueEntry, contextTokens: number): number | undefined {
  const { memoryBytes, downloadBytes } = entry
  const perToken = cacheBytesPerToken(entry) ?? 0
  if (memoryBytes !== undefined) return memoryBytes - perToken * (entry.contextTokens - contextTokens)
  if (downloadBytes === undefined) return undefined
  const runtime = entry.needs.includes('webgpu') ? 0 : WASM_RUNTIME_BYTES
  return downloadBytes + runtime + perToken * contextTokens
}

/** Shares of the device's memory that a model may take: the page and the system need the rest, a graphics card's is often the same memory. */
const SHARES = { wasm: 0.75, webgpu: 0.6, mobile: 0.4 }
/** Where the browser tells nothing (Firefox, Safari): what such devices have at least, as a rule. */
const ASSUMED = { desktop: 2 ** 33 * 0.75, mobile: 2 ** 32 }

/** Memory that a model may take on this device, in bytes. */
export function memoryBudget(device: DeviceProfile, runsOnGpu: boolean): number {
  const all = device.memoryBytes ?? (device.mobile ? ASSUMED.mobile : ASSUMED.desktop)
  return all * (device.mobile ? SHARES.mobile : runsOnGpu ? SHARES.webgpu : SHARES.wasm)
}

/**
 * The longest context that a model can be loaded with, where so much is asked for: llama.cpp makes its cache as long as the model was made
 * for, while WebLLM's libraries are compiled for one length and transformers.js takes the model's own.
 */
export function reachableContext({ id, contextTokens, modelContextTokens }: CatalogueEntry, wanted: number): number {
  const most = id.startsWith('wllama:') ? (modelContextTokens ?? contextTokens) : contextTokens
  return Math.max(contextTokens, Math.min(wanted, most))
}

/** Contexts to try, longest first: each half of the one before, down to `least`. */
export function contextSteps(entry: CatalogueEntry, least: number, most: number | undefined): number[] {
  const steps: number[] = []
  const longest = Math.min(reachableContext(entry, least), Math.max(most ?? Number.POSITIVE_INFINITY, least))
  for (let tokens = longest; tokens > least; tokens = Math.floor(tokens / 2)) steps.push(tokens)
  return longest >= least ? [...steps, Math.min(least, longest)] : steps
}
