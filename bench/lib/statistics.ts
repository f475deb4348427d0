/** Samples of one quantity, summed up. */
export interface Distribution {
  readonly median: number
  readonly p95: number
  readonly min: number
  readonly max: number
  /** Number of samples. */
  readonly samples: number
}

/** The value below which a share of the samples lies (nearest rank). `share` is from 0 to 1. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const rank = Math.max(1, Math.ceil(share * sorted.length))
  return sorted[rank - 1] ?? Number.NaN
}

/** Median, p95, least and greatest of samples, of which there must be at least one. */
export function summarize(samples: readonly number[]): Distribution {
  if (samples.length === 0) throw new RangeError('expected at least one sample, got none')
  return {
    median: quantile(samples, 0.5),
    p95: quantile(samples, 0.95),
    min: Math.min(...samples),
    max: Math.max(...samples),
    samples: samples.length,
  }
}
