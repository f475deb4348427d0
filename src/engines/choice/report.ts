import type { DeviceProfile } from './device.js'
import type { DeviceChoice } from './measured-device.js'

/** Why a rung of the ladder was not taken. */
export interface Refusal {
  readonly model: string
  readonly code: string
  readonly reason: string
}

/** What is expected of a model on this device. */
export interface ModelPrediction {
  readonly model: string
  /** What it is loaded with; undefined where the catalogue does not know the model. */
  readonly contextTokens: number | undefined
  /** Weights and cache together, in bytes. */
  readonly memoryBytes: number | undefined
  /** To read a prompt of 512 tokens, in milliseconds; undefined until a speed of this device is known. */
  readonly firstTokenMs: number | undefined
}

/** What was chosen for each task, on which device, and why the better rungs were refused. */
export interface LadderReport {
  readonly chosen: {
    readonly chat: string | null
    readonly documents: string | null
    readonly tools: string | null
    readonly embedding: string | null
  }
  readonly device: DeviceProfile
  readonly refused: readonly Refusal[]
  /** What was expected of the chosen chat models, where they were chosen from several. */
  readonly predictions?: readonly ModelPrediction[] | undefined
  /**
   * Where no model of the catalogue could be chosen for a task for what was asked of it (constraints, downloads that nobody agreed to): the
   * refused one that comes nearest, of those that this device can run.
   */
  readonly nearest?: readonly Refusal[] | undefined
  /**
   * Where models of transformers.js run that both the graphics card and the processor could run: as it was measured on this device, once, in
   * the background. Empty until then, and where there is no graphics card.
   */
  readonly runsOn?: readonly DeviceChoice[] | undefined
}
