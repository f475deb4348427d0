/** Measures one quantity once. Rounds count from 0; those of the warm-up are below 0. */
export type Contender = (round: number) => Promise<number> | number

export interface RoundOptions {
  readonly rounds: number
  /** Rounds before the ones that count. @default 1 */
  readonly warmUp?: number | undefined
}

/**
 * Runs contenders in turn, round after round, and gives each one's samples. Taking turns, in an order that rotates, lets what
 * the machine does meanwhile fall on all alike, so that their ratio holds also where the times do not.
 */
export async function takeTurns<Name extends string>(
  contenders: Readonly<Record<Name, Contender>>,
  { rounds, warmUp = 1 }: RoundOptions,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(contenders) as Name[]
  const samples = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>
  for (let round = -warmUp; round < rounds; round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(turn + round + warmUp) % names.length] as Name
      const sample = await contenders[name](round)
      if (round >= 0) samples[name].push(sample)
    }
  }
  return samples
}

/** Milliseconds that `work` takes. */
export async function timeOf(work: () => Promise<unknown> | unknown): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** The item for a round, also for one of the warm-up. There must be at least one. */
export function itemOf<T>(items: readonly T[], round: number): T {
  return items[((round % items.length) + items.length) % items.length] as T
}

/** Resolves after `ms` milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Collects garbage, where Chromium was started so that scripts may ask for it. */
export function collectGarbage(): void {
  ;(globalThis as { gc?: () => void }).gc?.()
}

/** Bytes of this page's JavaScript heap that are in use, after a collection. */
export async function usedHeapBytes(): Promise<number> {
  for (let pass = 0; pass < 3; pass++) {
    collectGarbage()
    await sleep(50)
  }
  return (performance as { memory?: { usedJSHeapSize: number } }).memory?.usedJSHeapSize ?? Number.NaN
}
