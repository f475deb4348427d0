import { type AgentOptions, createAgent } from '../../../src/agents/agent.js'
import type { Session } from '../../../src/agents/session/session.js'
import { createSessionLocks, type SessionLocks } from '../../../src/agents/session/session-locks.js'
import { openSessions, type Sessions } from '../../../src/agents/session/sessions.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import type { AlcoveError } from '../../../src/protocol/error.js'
import type { Message } from '../../../src/protocol/message.js'
import type { StreamPart } from '../../../src/protocol/stream-part.js'
import { createMemoryStore, type Store } from '../../../src/store/store.js'

/** Tabs over one store. */
export function openDesk(store: Store = createMemoryStore()) {
  const locks = createSessionLocks(undefined)
  const warnings: AlcoveError[] = []
  const shared: Store = { ...store, close: async () => {} }
  const open = (own: SessionLocks): Promise<Sessions> =>
    openSessions({ name: 'desk', store: shared, locks: own, onWarning: (error) => warnings.push(error) })
  return {
    store,
    warnings,
    /** A tab beside the others. */
    tab: async () => (await open(locks)).api,
    sessions: () => open(locks),
    /** A tab after all others have died: their locks are gone, and what they write from now on is not to be seen here. */
    async afterCrash() {
      const copy = createMemoryStore()
      await copy.write({ set: await store.entries('') })
      return (
        await openSessions({
          name: 'desk',
          store: copy,
          locks: createSessionLocks(undefined),
          onWarning: (error) => warnings.push(error),
        })
      ).api
    },
  }
}

export function agentOf(turns: Parameters<typeof scriptedModel>[0], options: Partial<AgentOptions> = {}) {
  const model = scriptedModel(turns)
  return { model, agent: createAgent({ model, ...options }) }
}

export const plain = (messages: readonly Message[]) => messages.map(({ role, content }) => ({ role, content }))

export const textsOf = async (session: Session) => (await session.messages()).map(({ content }) => content)

export async function collect(run: AsyncIterable<StreamPart>): Promise<StreamPart[]> {
  const parts: StreamPart[] = []
  for await (const part of run) parts.push(part)
  return parts
}

export const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: AlcoveError) => error.code,
  )

/** Resolves when `check` gives true. */
export async function until(check: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await check()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('what was waited for did not come')
}
