/** A form of something, and how large it is. */
export interface Sized<T> {
  readonly item: T
  readonly tokens: number
}

export interface FirstFitOptions<T> {
  /** Ever smaller forms. */
  readonly items: readonly T[]
  /** About how large a form is, in a unit of its own. Cheap. */
  cost(item: T): number
  /** What a form may have at most. Never falls from one form to the next. */
  limit(item: T): number
  /** How many tokens a form has. Slow. */
  count(item: T): Promise<number>
  /** A size that is known, and how many tokens one unit of cost has, about. */
  readonly known: { readonly cost: number; readonly tokens: number; readonly tokensPerCost: number }
}

/** The first guess is nearly always good; the others are for texts whose parts differ much in tokens by the character. */
const MAX_GUESSES = 4
/** No search counts more often. */
export const MAX_COUNTS = 10
/** A form that uses this much of its limit is not worth another count. */
const GOOD_SHARE = 0.9
/** Guesses aim this much lower, since a form that is over has to be counted again. */
const AIM_SHARE = 0.98

/**
 * The first form that fits, or one shortly after it: which one that is follows from the costs, set right by each count (secant method, then
 * bisection). What it gives was counted.
 */
export async function findFirstFit<T>({
  items,
  cost,
  limit,
  count,
  known,
}: FirstFitOptions<T>): Promise<Sized<T> | undefined> {
  const costs: number[] = []
  const costAt = (at: number) => {
    costs[at] ??= cost(items[at] as T)
    return costs[at]
  }
  let low = -1
  let high = items.length
  let best: Sized<T> | undefined
  let point = { cost: known.cost, tokens: known.tokens }
  let slope = known.tokensPerCost
  const guess = () => {
    let from = low + 1
    let to = Math.min(high, items.length - 1)
    while (from < to) {
      const middle = (from + to) >> 1
      const item = items[middle] as T
      const tokens = point.tokens + slope * (costAt(middle) - point.cost)
      if (tokens <= limit(item) * AIM_SHARE) to = middle
      else from = middle + 1
    }
    return best === undefined ? from : Math.min(from, high - 1)
  }
  for (let counts = 1; counts <= MAX_COUNTS && high - low > 1; counts++) {
    const isLastChance = best === undefined && counts === MAX_COUNTS
    const at = isLastChance ? items.length - 1 : counts <= MAX_GUESSES ? guess() : (low + high) >> 1
    const item = items[at] as T
    const tokens = await count(item)
    if (tokens <= limit(item)) {
      best = { item, tokens }
      high = at
      if (counts >= MAX_GUESSES || tokens >= limit(item) * GOOD_SHARE) break
    } else {
      low = at
    }
    const next = { cost: costAt(at), tokens }
    const measured = (next.tokens - point.tokens) / (next.cost - point.cost)
    if (measured > 0 && Number.isFinite(measured)) slope = measured
    point = next
  }
  return best
}

/** The first of ever smaller forms that is within what is allowed, else the last; undefined when there are none. */
export function firstWithin<T>(items: readonly T[], isWithin: (item: T) => boolean): T | undefined {
  let low = 0
  let high = items.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (isWithin(items[middle] as T)) high = middle
    else low = middle + 1
  }
  return items[low]
}
