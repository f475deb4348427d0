export interface PoolingOptions {
  /** Real tokens of each text; what follows is padding. */
  readonly lengths: readonly number[]
  /** Rows of the output for one text. */
  readonly width: number
  readonly dimensions: number
  readonly pooling: 'mean' | 'cls' | 'last'
}

/**
 * One vector of length 1 for each text, from one vector for each token: their mean, the first, or the last one
 * (as in Sentence-Transformers' pooling layer).
 * @param hidden texts × width × dimensions
 */
export function poolVectors(
  hidden: Float32Array,
  { lengths, width, dimensions, pooling }: PoolingOptions,
): Float32Array[] {
  return lengths.map((length, row) => {
    const count = Math.max(Math.min(length, width), 1)
    const first = row * width + (pooling === 'last' ? count - 1 : 0)
    const rows = pooling === 'mean' ? count : 1
    const vector = new Float32Array(dimensions)
    for (let token = first; token < first + rows; token++) {
      for (let at = 0; at < dimensions; at++)
        vector[at] = (vector[at] as number) + (hidden[token * dimensions + at] as number)
    }
    return normalise(vector)
  })
}

/** Scales to length 1; a zero vector stays as it is. */
function normalise(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
  return length > 0 ? vector.map((value) => value / length) : vector
}
