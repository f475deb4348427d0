import type { Message } from '../../protocol/message.js'
import type { Documents } from '../documents.js'
import { estimateTokens } from '../passages.js'
import { firstWithin } from './first-fit.js'
import { joinConversation, splitConversation, withoutOldTurns } from './trim-stages.js'

export interface TimeFitOptions {
  readonly messages: readonly Message[]
  readonly documents: Documents | undefined
  readonly pin: (message: Message) => boolean
  /** How many tokens the model reads in the time that there is. */
  readonly tokensInTime: number
  /** About how many tokens of a request the engine has not read yet. */
  newTokens(messages: readonly Message[], passages: number): number
}

/** Passages are not cut below this: less is no evidence. */
const MIN_PASSAGE_TOKENS = 100
/** Old turns are left out only where what is to be read falls below this share of what it was. */
const WORTH_SHARE = 0.8

/**
 * Leaves out what the model cannot read in time: passages down to half of it, then old turns. What the engine has read already takes no time, so
 * that old turns stay where they cost nothing. The question, what is pinned and the best passage stay, however long they are.
 *
 * @returns the messages that stay; the documents are narrowed
 */
export function fitInTime(options: TimeFitOptions): readonly Message[] {
  const { messages, documents, pin, tokensInTime, newTokens } = options
  const whole = newTokens(messages, Number.POSITIVE_INFINITY)
  if (whole <= tokensInTime) return messages
  const fixed = newTokens(messages, 0)
  const forPassages = whole - fixed
  const wanted = Math.min(forPassages, Math.max(MIN_PASSAGE_TOKENS, tokensInTime / 2))
  let kept = { messages, tokens: fixed }
  if (fixed + wanted > tokensInTime) {
    const forms = withoutOldTurns(splitConversation(messages, 0), pin).map(joinConversation)
    const shorter = firstWithin(forms, (form) => newTokens(form, 0) <= tokensInTime - wanted) ?? messages
    const tokens = newTokens(shorter, 0)
    // A prompt that begins otherwise is read from its beginning: that can take as long as what is new after the old one.
    if (tokens < fixed * WORTH_SHARE) kept = { messages: shorter, tokens }
  }
  const room = Math.max(MIN_PASSAGE_TOKENS, tokensInTime - kept.tokens)
  if (documents && forPassages > room) {
    const text = documents.passages.reduce((sum, passage) => sum + estimateTokens(passage.text), 0)
    documents.narrow(Math.floor((room * text) / forPassages))
  }
  return kept.messages
}
