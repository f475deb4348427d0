import type { StatusPart } from '../../protocol/stream-part.js'

/** What WebLLM reports while it loads. */
export interface WebLlmProgress {
  readonly progress: number
  readonly timeElapsed: number
  readonly text: string
}

const MEGABYTE = 2 ** 20
const SHARDS =
  /^(Fetching param cache|Loading model from cache)\[(\d+)\/(\d+)\]: (\d+)MB (?:fetched|loaded)\. (\d+)% completed/
const SHADERS = /^Loading GPU shader modules\[(\d+)\/(\d+)\]/

/**
 * A progress report as a status part. WebLLM tells whole megabytes and a share; the total follows from both unless it is known, so
 * it is a rough figure at the beginning.
 * @param totalBytes of the weights, where known
 */
export function progressStatus(modelId: string, report: WebLlmProgress, totalBytes?: number): StatusPart {
  const base = { type: 'status', status: 'loading', modelId } as const
  const shards = SHARDS.exec(report.text)
  if (!shards) {
    const shaders = SHADERS.exec(report.text)
    if (shaders) return { ...base, message: `Preparing the graphics card: ${shaders[1]} of ${shaders[2]} programs` }
    return { ...base, message: report.text.startsWith('Finish') ? 'The model is ready' : 'Loading the model' }
  }
  const [, phase, , , megabytes, percent] = shards
  const loaded = Number(megabytes) * MEGABYTE
  const share = report.progress > 0 && report.progress <= 1 ? report.progress : Number(percent) / 100
  const total = totalBytes ?? (share > 0 ? Math.round(loaded / share) : undefined)
  const fetching = phase === 'Fetching param cache'
  const rate = fetching && report.timeElapsed > 0 ? loaded / report.timeElapsed : undefined
  const loadedBytes = total === undefined ? loaded : Math.min(loaded, total)
  return {
    ...base,
    message: fetching ? `Fetching the model: ${percent} %` : `Loading the model onto the graphics card: ${percent} %`,
    loadedBytes,
    ...(total !== undefined && { totalBytes: total }),
    ...(rate !== undefined && rate > 0 && { bytesPerSecond: Math.round(rate) }),
    ...(rate && total !== undefined && { secondsLeft: Math.round((total - loadedBytes) / rate) }),
  }
}
