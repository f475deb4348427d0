/** What WebLLM reports while it loads. */
export interface WebLlmProgress {
  readonly progress: number
  readonly text: string
}

const SHARDS = /^(?:Fetching param cache|Loading model from cache)\[\d+\/\d+\]: .*?(\d+)% completed/
const SHADERS = /^Loading GPU shader modules\[(\d+)\/(\d+)\]/

/** What WebLLM is doing with files that are there. */
export function startMessage({ text }: Pick<WebLlmProgress, 'text'>): string {
  const shards = SHARDS.exec(text)
  if (shards) return `Loading the model onto the graphics card: ${shards[1]} %`
  const shaders = SHADERS.exec(text)
  if (shaders) return `Preparing the graphics card: ${shaders[1]} of ${shaders[2]} programs`
  return text.startsWith('Finish') ? 'The model is ready' : 'Starting the model'
}
