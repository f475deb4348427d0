import type { MediaPart, Message } from '../protocol/message.js'
import type { ChatModelCapabilities } from '../protocol/model.js'
import { mediaText, replaceMedia } from '../tools/output.js'

/**
 * Messages as a model can take them: pictures, sounds and files in the results of tools stay where the model knows such input, and are a short
 * description where it does not.
 *
 * @param isWritten whether a dialect writes results as text: what the model knows then stands beside its result, as a part of its own
 */
export function showMedia(
  messages: readonly Message[],
  inputs: ChatModelCapabilities['inputs'],
  isWritten: boolean,
): Message[] {
  const accepts = ({ type }: MediaPart) => (inputs as readonly string[]).includes(type)
  return messages.map((message) => {
    const { content } = message
    if (typeof content === 'string') return message
    const beside: MediaPart[] = []
    const replace = (media: MediaPart): unknown => {
      if (!accepts(media)) return mediaText(media)
      if (!isWritten) return media
      beside.push(media)
      return mediaText(media)
    }
    const parts = content.map((part) =>
      part.type === 'tool-result' ? { ...part, output: replaceMedia(part.output, replace) } : part,
    )
    return { ...message, content: [...parts, ...beside] }
  })
}
