import type { Distribution } from './statistics.js'

/** What a benchmark is given by the runner. */
export interface BenchContext {
  /** Small sizes: shows that everything works, its figures mean nothing. */
  readonly quick: boolean
  /** Address of the folder of models; absent where there are none. */
  readonly modelsUrl?: string | undefined
  /** Folders that are in it. */
  readonly models: readonly string[]
  /** The one part to measure, of a benchmark whose driver gives each a browser of its own. */
  readonly part?: string | undefined
  /** Address of an MCP server that the driver of the benchmark started. */
  readonly mcpUrl?: string | undefined
  /** Address of the folder of judged sets; absent where there are none. */
  readonly dataUrl?: string | undefined
}

export type Unit =
  | 'ms'
  | 'µs'
  | 's'
  | 'bytes'
  | 'parts'
  | 'runs'
  | 'tokens/s'
  | 'MB/s'
  | '%'
  | '×'
  | 'nDCG@10'
  | 'recall@10'
  | 'MRR'
  | ''

/** A measured quantity: a median of several rounds with its spread, or one number. */
export interface Measure extends Partial<Omit<Distribution, 'median'>> {
  /** The median, where there is a spread. */
  readonly value: number
}

/** What a figure is compared with. */
export interface Baseline extends Measure {
  readonly what: string
  /** Taken from elsewhere, not measured in this run. */
  readonly quoted?: true
}

/** What a figure should reach. */
export interface Goal {
  /** What is compared: the value, its p95, its maximum, or its ratio to the first baseline. */
  readonly on: 'value' | 'p95' | 'max' | 'ratio'
  readonly most?: number
  readonly least?: number
}

/** One row of a report. */
export interface Figure extends Measure {
  readonly what: string
  readonly unit: Unit
  /** The one to beat first. Ratios are value / baseline, and the runner adds them. */
  readonly baselines?: readonly Baseline[]
  readonly goal?: Goal
}

/** What a benchmark gives back to the runner. */
export interface Report {
  readonly figures: readonly Figure[]
  /** Sizes and circumstances that a reader needs to judge the figures. */
  readonly notes: readonly string[]
  /** Figures that could not be measured here, and why. */
  readonly skipped?: readonly string[]
}

/** A distribution as a measure. */
export function measureOf(distribution: Distribution): Measure {
  const { median, ...spread } = distribution
  return { value: median, ...spread }
}
