/** How the state of an engine after some tokens is handled. */
export interface SlotStore<Cache> {
  create(): Cache
  /** Whether the state after fewer tokens can be had from this one, which is the state after `tokens`. */
  canCopy(cache: Cache, tokens: number): boolean
  /** The state after the first `length` tokens. */
  copy(cache: Cache, length: number): Promise<Cache>
  bytes(cache: Cache): number
  dispose(cache: Cache): Promise<void>
}

/** The state of an engine after some tokens. Its owner reads on in it and adds to both. */
export interface PrefixSlot<Cache> {
  tokens: number[]
  cache: Cache
}

export interface PrefixSlots<Cache> {
  /** An empty one. */
  open(): PrefixSlot<Cache>
  /** The state after the longest kept beginning of the prompt, its last token left out: what comes after that one is the question. */
  take(prompt: readonly number[]): Promise<PrefixSlot<Cache>>
  drop(slot: PrefixSlot<Cache>): Promise<void>
  clear(): Promise<void>
}

export interface SlotLimits {
  /** @default 4 */
  readonly maxSlots?: number | undefined
  /** Of all states together; one is always kept. @default 268_435_456, less where the device says that it has little memory */
  readonly maxBytes?: number | undefined
}

/** Fewer kept tokens than this are not worth the copy. */
const MIN_KEPT_TOKENS = 4
/** A state that would lose more than this is kept beside the copy: two agents that share instructions, or two conversations. */
const MAX_LOST_TOKENS = 64
const BYTES_A_GIGABYTE_OF_MEMORY = 32 * 2 ** 20

function defaultMaxBytes(): number {
  const { deviceMemory = 8 } = (globalThis.navigator ?? {}) as { deviceMemory?: number }
  return Math.min(256 * 2 ** 20, deviceMemory * BYTES_A_GIGABYTE_OF_MEMORY)
}

function commonLength(a: readonly number[], b: readonly number[], limit: number): number {
  let length = 0
  while (length < limit && a[length] === b[length]) length++
  return length
}

/**
 * Keeps the states of the last few prompts, so that conversations that take turns, and agents that share instructions, are read
 * once. The one that was not used for longest goes first.
 */
export function createPrefixSlots<Cache>(
  store: SlotStore<Cache>,
  { maxSlots = 4, maxBytes = defaultMaxBytes() }: SlotLimits = {},
): PrefixSlots<Cache> {
  /** The one used last is the last. */
  let slots: PrefixSlot<Cache>[] = []

  const open = (): PrefixSlot<Cache> => {
    const slot = { tokens: [], cache: store.create() }
    slots.push(slot)
    return slot
  }

  const drop = async (slot: PrefixSlot<Cache>) => {
    slots = slots.filter((other) => other !== slot)
    await store.dispose(slot.cache)
  }

  const isFilled = ({ tokens }: PrefixSlot<Cache>) => tokens.length > 0
  const bytesAToken = () => {
    const known = slots.find(isFilled)
    return known ? store.bytes(known.cache) / known.tokens.length : 0
  }

  /** Makes room for so many more tokens and states, at the cost of others than `kept`. Returns whether there is. */
  const makeRoom = async (tokens: number, more: 0 | 1, kept?: PrefixSlot<Cache>): Promise<boolean> => {
    const each = bytesAToken()
    for (const slot of slots.filter((other) => !isFilled(other))) await drop(slot)
    const fits = () =>
      slots.length + more <= maxSlots &&
      (slots.reduce((sum, slot) => sum + slot.tokens.length, 0) + tokens) * each <= maxBytes
    while (!fits()) {
      const oldest = slots.find((slot) => slot !== kept)
      if (oldest === undefined) return false
      await drop(oldest)
    }
    return true
  }

  const use = (slot: PrefixSlot<Cache>): PrefixSlot<Cache> => {
    slots = [...slots.filter((other) => other !== slot), slot]
    return slot
  }

  const startAnew = async (prompt: readonly number[]) => {
    if (!(await makeRoom(prompt.length, 1))) for (const slot of [...slots]) await drop(slot)
    return open()
  }

  /** The state after the first tokens of another one, which is kept too when it is worth it and there is room. */
  const branch = async (from: PrefixSlot<Cache>, length: number, prompt: readonly number[]) => {
    const isWorthKeeping = from.tokens.length - length > MAX_LOST_TOKENS
    const keepsBoth = isWorthKeeping && (await makeRoom(prompt.length, 1, from))
    const cache = await store.copy(from.cache, length)
    const slot = { tokens: from.tokens.slice(0, length), cache }
    if (!keepsBoth) await drop(from)
    return use(slot)
  }

  return {
    open,
    drop,
    async take(prompt) {
      let best: PrefixSlot<Cache> | undefined
      let length = 0
      for (const slot of slots) {
        const common = commonLength(slot.tokens, prompt, Math.min(slot.tokens.length, prompt.length - 1))
        if (common < length || common < MIN_KEPT_TOKENS) continue
        if (common < slot.tokens.length && !store.canCopy(slot.cache, slot.tokens.length)) continue
        best = slot
        length = common
      }
      if (best === undefined) return startAnew(prompt)
      if (length === best.tokens.length) {
        await makeRoom(prompt.length - length, 0, best)
        return use(best)
      }
      try {
        return await branch(best, length, prompt)
      } catch {
        // A state that cannot be copied after all is read again.
        return startAnew(prompt)
      }
    },
    async clear() {
      for (const slot of [...slots]) await drop(slot)
    },
  }
}
