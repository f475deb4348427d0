import { AlcoveError } from '../../protocol/error.js'
import { type Tool, tool } from '../tool.js'

export interface ImageToolOptions {
  /** Makes the picture: a Blob of an image type. */
  readonly generate: (request: { readonly prompt: string; readonly signal: AbortSignal }) => Promise<Blob> | Blob
  /** @default 'generate_image' */
  readonly name?: string | undefined
  /** Largest picture, in bytes. @default 16 MiB */
  readonly maxBytes?: number | undefined
  /** Longest time, in milliseconds. @default 120_000 */
  readonly timeoutMs?: number | undefined
  /** @default false */
  readonly needsApproval?: boolean | undefined
}

const MAX_PROMPT = 2000

/**
 * A tool that makes a picture with a function of the host. Gives the picture itself.
 *
 * @throws AlcoveError `invalid-argument` without `generate`
 */
export function imageTool(options: ImageToolOptions): Tool {
  const { generate, name = 'generate_image', maxBytes = 16 << 20, timeoutMs = 120_000, needsApproval = false } = options
  if (typeof generate !== 'function') {
    throw new AlcoveError('invalid-argument', `imageTool: expected a function generate, got ${typeof generate}`)
  }
  return tool({
    name,
    description: 'Makes a picture from a description and shows it to the user.',
    input: {
      type: 'object',
      properties: {
        prompt: { type: 'string', minLength: 1, maxLength: MAX_PROMPT, description: 'What the picture shows' },
      },
      required: ['prompt'],
      additionalProperties: false,
    },
    timeoutMs,
    needsApproval,
    async execute({ prompt }, { signal }) {
      const image: unknown = await generate({ prompt: String(prompt), signal })
      if (!(image instanceof Blob) || !image.type.startsWith('image/')) {
        throw new AlcoveError(
          'tool-failed',
          `Expected a Blob of an image, got ${image instanceof Blob ? `one of type '${image.type}'` : typeof image}`,
        )
      }
      if (image.size > maxBytes)
        throw new AlcoveError('too-large', `The picture has ${image.size} bytes, more than ${maxBytes}`)
      return image
    },
  })
}
