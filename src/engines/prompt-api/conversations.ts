import type { LanguageModelCreateOptions, LanguageModelSession } from './language-model.js'
import type { PromptMessages, PromptTurn } from './messages.js'

/** A session with what it has heard so far. */
export interface Conversation {
  readonly session: LanguageModelSession
  /** Turns of the request that it does not know yet. */
  readonly news: readonly PromptTurn[]
  /** Whether any of the conversation was known. */
  readonly isKnown: boolean
  /** It has heard all turns and answered this: it is kept for what comes next. */
  keep(turns: readonly PromptTurn[], answer: PromptTurn): void
  /** It broke off in the middle, so nobody knows what it holds. */
  drop(): void
}

/** The sessions of one model: a conversation that goes on sends only what is new. */
export interface Conversations {
  open(messages: PromptMessages, signal: AbortSignal): Promise<Conversation>
  /** A session that a request could go to, and the turns that it would have to hear. Changes nothing. */
  peek(messages: PromptMessages, signal: AbortSignal): Promise<Pick<Conversation, 'session' | 'news'>>
  destroy(): void
}

interface Kept {
  readonly key: string
  readonly session: LanguageModelSession
  /** Prints of the turns that it has heard and said. */
  readonly prints: readonly string[]
}

/** Each holds its own KV cache: the chat, and an agent beside it. */
const MAX_KEPT = 2
const MAX_BASES = 2

/**
 * @param create makes a session with these beginnings. It is made once for each system message; conversations are its clones, so that the
 * system message is read once.
 */
export function createConversations(
  create: (
    options: Pick<LanguageModelCreateOptions, 'initialPrompts' | 'expectedInputs'>,
    signal: AbortSignal,
  ) => Promise<LanguageModelSession>,
): Conversations {
  let kept: Kept[] = []
  let bases: { readonly key: string; readonly session: LanguageModelSession }[] = []

  const keyOf = ({ system, media }: PromptMessages) => JSON.stringify([system ?? null, media])

  function find(messages: PromptMessages): Kept | undefined {
    const key = keyOf(messages)
    const prints = messages.turns.map(({ print }) => print)
    const goesOn = (each: Kept) =>
      each.key === key && each.prints.length < prints.length && each.prints.every((print, at) => print === prints[at])
    return kept
      .filter(goesOn)
      .reduce<Kept | undefined>(
        (best, each) => (best && best.prints.length >= each.prints.length ? best : each),
        undefined,
      )
  }

  async function baseOf(messages: PromptMessages, signal: AbortSignal): Promise<LanguageModelSession> {
    const key = keyOf(messages)
    const known = bases.find((base) => base.key === key)
    if (known) return known.session
    const { system, media } = messages
    const session = await create(
      {
        ...(system !== undefined && { initialPrompts: [{ role: 'system', content: system }] }),
        ...(media.length > 0 && { expectedInputs: [{ type: 'text' }, ...media.map((type) => ({ type }))] }),
      },
      signal,
    )
    bases.push({ key, session })
    if (bases.length > MAX_BASES) bases.shift()?.session.destroy()
    return session
  }

  /** A session of its own for a conversation. Without `clone` the base itself is used up. */
  async function fresh(messages: PromptMessages, signal: AbortSignal): Promise<LanguageModelSession> {
    const base = await baseOf(messages, signal)
    if (typeof base.clone === 'function') return await base.clone({ signal })
    bases = bases.filter(({ session }) => session !== base)
    return base
  }

  return {
    async open(messages, signal) {
      const known = find(messages)
      kept = kept.filter((each) => each !== known)
      const session = known?.session ?? (await fresh(messages, signal))
      return {
        session,
        news: messages.turns.slice(known?.prints.length ?? 0),
        isKnown: known !== undefined,
        keep(turns, answer) {
          kept.push({ key: keyOf(messages), session, prints: [...turns, answer].map(({ print }) => print) })
          if (kept.length > MAX_KEPT) kept.shift()?.session.destroy()
        },
        drop: () => session.destroy(),
      }
    },
    async peek(messages, signal) {
      const known = find(messages)
      return {
        session: known?.session ?? (await baseOf(messages, signal)),
        news: messages.turns.slice(known?.prints.length ?? 0),
      }
    },
    destroy() {
      for (const { session } of [...kept, ...bases]) session.destroy()
      kept = []
      bases = []
    },
  }
}
