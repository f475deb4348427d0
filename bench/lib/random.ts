/** Numbers from 0 up to, not including, 1. */
export type Random = () => number

/** A generator that gives the same numbers for the same seed (mulberry32). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** A whole number from 0 up to, not including, `limit`. */
export function below(random: Random, limit: number): number {
  return Math.floor(random() * limit)
}

/** `count` items in an order of chance; all of them when there are fewer. */
export function sample<T>(random: Random, items: readonly T[], count: number): T[] {
  const rest = [...items]
  const taken: T[] = []
  while (taken.length < count && rest.length > 0) {
    const [item] = rest.splice(below(random, rest.length), 1)
    taken.push(item as T)
  }
  return taken
}

/** A number of the normal distribution (Box-Muller). */
export function gaussian(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/**
 * Vectors of length 1 around common centres, end to end: like embeddings, and unlike even noise, some are much nearer than
 * others.
 */
export function createVectors(random: Random, count: number, dimensions: number, centres: Float32Array): Float32Array {
  const vectors = new Float32Array(count * dimensions)
  const centreCount = centres.length / dimensions
  for (let row = 0; row < count; row++) {
    const centre = below(random, centreCount) * dimensions
    let squares = 0
    for (let k = 0; k < dimensions; k++) {
      const value = (centres[centre + k] as number) + gaussian(random) * 0.05
      vectors[row * dimensions + k] = value
      squares += value * value
    }
    const scale = 1 / Math.sqrt(squares)
    for (let k = 0; k < dimensions; k++)
      vectors[row * dimensions + k] = (vectors[row * dimensions + k] as number) * scale
  }
  return vectors
}

/** Centres for `createVectors`: numbers of the normal distribution, vectors of length about 1. */
export function createCentres(random: Random, count: number, dimensions: number): Float32Array {
  const scale = 1 / Math.sqrt(dimensions)
  return Float32Array.from({ length: count * dimensions }, () => gaussian(random) * scale)
}
