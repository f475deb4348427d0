import { AlcoveError } from '../protocol/error.js'
import { createLimiter } from '../runtime/limiter.js'
import { sizeText } from '../text/size-text.js'
import type { StorageEstimate } from './quota.js'

/** One kind of what is kept, which can be had again. */
export interface EvictableKind {
  readonly name: string
  /** Bytes that count against the budget. */
  bytes(): Promise<number>
  /** Frees at least so many bytes where it can; returns how many it freed. */
  evict(bytes: number): Promise<number>
}

export interface StorageManagerOptions {
  /** What all kinds may take together, in bytes. */
  readonly budgetBytes: number
  /** What goes first is first. */
  readonly kinds: readonly EvictableKind[]
  readonly estimate: () => Promise<StorageEstimate>
  /** Whether so many bytes can really be stored; undefined where nobody knows. */
  readonly hasRoomFor: (bytes: number) => Promise<boolean | undefined>
}

/** Keeps what is stored within the budget and the browser's quota. */
export interface StorageManager {
  /**
   * Makes room for bytes that are about to be stored and do not count against the budget.
   * @throws AlcoveError `quota-exceeded` when there is too little room even so, with `bytes` and `missingBytes` in `details`
   */
  reserve(bytes: number): Promise<void>
  /** Frees what is over the budget. Returns how many bytes were freed. */
  trim(): Promise<number>
}

/** Left free: a browser counts more than the bytes of the files. */
const MARGIN = 1.02

/** A manager over these kinds. One reservation at a time. */
export function createStorageManager({
  budgetBytes,
  kinds,
  estimate,
  hasRoomFor,
}: StorageManagerOptions): StorageManager {
  const limiter = createLimiter(1)

  async function evict(wanted: number): Promise<number> {
    let freed = 0
    for (const kind of kinds) {
      if (freed >= wanted) break
      // A kind that cannot be read or freed now is passed over: the others may do.
      freed += await kind.evict(wanted - freed).catch(() => 0)
    }
    return freed
  }

  async function trim(): Promise<number> {
    const sizes = await Promise.all(kinds.map((kind) => kind.bytes().catch(() => 0)))
    const over = sizes.reduce((sum, bytes) => sum + bytes, 0) - budgetBytes
    return over > 0 ? evict(over) : 0
  }

  /** Bytes that are missing for these to be stored: as the browser says or, where it says nothing of it, all of them. */
  async function missing(bytes: number): Promise<number> {
    const { quotaBytes, usageBytes } = await estimate()
    const told = quotaBytes === undefined ? 0 : Math.max(0, bytes - Math.max(0, quotaBytes - usageBytes))
    return told > 0 || (await hasRoomFor(bytes)) !== false ? told : bytes
  }

  async function reserve(bytes: number): Promise<void> {
    await trim()
    const wanted = Math.ceil(bytes * MARGIN)
    let lacking = await missing(wanted)
    for (const kind of kinds) {
      if (lacking <= 0) return
      const freed = await kind.evict(lacking).catch(() => 0)
      // The browser's own estimate may lag behind what was just freed.
      lacking = Math.min(await missing(wanted), freed >= lacking ? 0 : Number.POSITIVE_INFINITY)
    }
    if (lacking <= 0) return
    throw new AlcoveError(
      'quota-exceeded',
      `expected room for ${sizeText(bytes)} on this device, but ${sizeText(lacking)} too little is free`,
      {
        hint: 'Delete models or documents that are not needed, free space on this device, or choose a smaller model.',
        details: { bytes, missingBytes: lacking },
      },
    )
  }

  return { reserve: (bytes) => limiter.run(() => reserve(bytes)), trim: () => limiter.run(trim) }
}
