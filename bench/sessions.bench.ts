// Stored conversations in this page: the modules in src/, over IndexedDB.
import { createStore, set } from 'idb-keyval'
import { createAgent } from '../src/agents/agent.js'
import { openSessions, type Sessions, type SessionsApi } from '../src/agents/session/sessions.js'
import { scriptedModel } from '../src/engines/scripted.js'
import type { Message } from '../src/protocol/message.js'
import { type BenchContext, measureOf, type Report } from './lib/result.js'
import { itemOf, takeTurns, timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'

export const what = 'Conversations that are kept: 1,000 of 20 messages each, listed, opened, searched and written to.'

const database = 'bench-sessions'
const messagesEach = 20

const messageOf = (session: number, at: number): Message => ({
  role: at % 2 === 0 ? 'user' : 'assistant',
  content: `Message ${at} of conversation ${session}. ${'A book may be renewed twice unless another reader waits. '.repeat(8)}${
    session % 50 === 7 && at === 12 ? 'The lighthouse was mentioned here.' : ''
  }`,
})

const open = (): Promise<Sessions> =>
  openSessions({
    name: database,
    onWarning: (error) => {
      throw error
    },
  })

async function fill(api: SessionsApi, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let at = 0; at < count; at++) {
    const session = await api.create()
    await session.add(Array.from({ length: messagesEach }, (_, each) => messageOf(at, each)))
    ids.push(session.id)
  }
  return ids
}

async function measureReading(api: SessionsApi, ids: readonly string[], rounds: number) {
  return await takeTurns(
    {
      list: () =>
        timeOf(async () => {
          const found = await api.list()
          if (found.length !== ids.length) throw new Error(`expected ${ids.length} sessions, got ${found.length}`)
        }),
      open: (round) =>
        timeOf(async () => {
          const session = await api.open(itemOf(ids, round * 37))
          const { length } = await session.messages()
          if (length !== messagesEach) throw new Error(`expected ${messagesEach} messages, got ${length}`)
        }),
      search: () =>
        timeOf(async () => {
          const found = await api.search('lighthouse mentioned', { limit: 1_000 })
          if (found.length !== Math.ceil((ids.length - 7) / 50)) throw new Error(`got ${found.length} hits`)
        }),
    },
    { rounds },
  )
}

async function measureWriting(api: SessionsApi, rounds: number) {
  const plain = createStore('bench-sessions-plain', 'entries')
  const session = await api.create()
  const agent = createAgent({ model: scriptedModel(Array(4 * rounds).fill('A short answer of a few words.')) })
  return await takeTurns(
    {
      add: (round) => timeOf(() => session.add(messageOf(0, Math.abs(round)))),
      bare: (round) =>
        timeOf(() => set(`m/${round}`, { id: `${round}`, message: messageOf(0, Math.abs(round)) }, plain)),
      // A conversation of its own, so that reading its history stays the same.
      kept: async () => {
        const own = await api.create()
        return await timeOf(() => agent.generate('A question?', { session: own }))
      },
      unkept: () => timeOf(() => agent.generate('A question?')),
    },
    { rounds, warmUp: 3 },
  )
}

/** Runs the benchmark in this page. */
export async function run({ quick }: BenchContext): Promise<Report> {
  const count = quick ? 50 : 1_000
  const sessions = await open()
  await sessions.clear()
  const ids = await fill(sessions.api, count)
  const bytes = await sessions.usage()
  await sessions.close()
  const firsts: number[] = []
  for (let round = 0; round < 5; round++) {
    let fresh: Sessions | undefined
    firsts.push(
      await timeOf(async () => {
        fresh = await open()
        await fresh.api.list()
      }),
    )
    await fresh?.close()
  }
  const again = await open()
  const reading = await measureReading(again.api, ids, quick ? 5 : 30)
  const writing = await measureWriting(again.api, quick ? 10 : 100)
  await again.clear()
  await again.close()
  const at = `at ${count.toLocaleString('en')} conversations`
  const measure = (samples: readonly number[]) => measureOf(summarize([...samples]))
  return {
    figures: [
      { what: `List, ${at}`, unit: 'ms', ...measure(reading.list) },
      { what: `Open the database and list, ${at}`, unit: 'ms', ...measure(firsts) },
      { what: `Open one and read its ${messagesEach} messages, ${at}`, unit: 'ms', ...measure(reading.open) },
      { what: `Search in all texts, ${at}`, unit: 'ms', ...measure(reading.search) },
      {
        what: 'Keeping a message, until it is in IndexedDB',
        unit: 'ms',
        ...measure(writing.add),
        baselines: [{ what: 'one set of idb-keyval', ...measure(writing.bare) }],
      },
      {
        what: 'A run of one answer that is kept, scripted model',
        unit: 'ms',
        ...measure(writing.kept),
        baselines: [{ what: 'the same run unkept', ...measure(writing.unkept) }],
      },
    ],
    notes: [
      `${count.toLocaleString('en')} conversations of ${messagesEach} messages of about 0.5 KB, ${Math.round(bytes / 1_000_000)} MB as strings of two bytes a character.`,
      'Keeping a message is a read and a write under a lock that all tabs share; a kept run writes its question, its steps and its answer.',
    ],
  }
}
