import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { SessionChange } from '../../../src/agents/session/session-changes.js'
import { createSessionLocks } from '../../../src/agents/session/session-locks.js'
import { openSessions } from '../../../src/agents/session/sessions.js'
import { createMemoryStore } from '../../../src/store/store.js'
import { tool } from '../../../src/tools/tool.js'
import { agentOf, collect, openDesk, textsOf, until } from './session-fixtures.js'

/** A turn whose text is given later. */
function later() {
  let give = (_text: string) => {}
  const promise = new Promise<string>((resolve) => {
    give = resolve
  })
  return { turn: () => promise, give: (text: string) => give(text) }
}

describe('two tabs on one session', () => {
  it('a question waits for the run of the other tab, says so, and knows its answer', async () => {
    const desk = openDesk()
    const first = await (await desk.tab()).create()
    const second = await (await desk.tab()).open(first.id)
    const answer = later()
    const one = agentOf([answer.turn]).agent.stream('First?', { session: first })
    await until(async () => (await desk.store.keys('r/')).length === 1)
    const { agent, model } = agentOf(['Two.'])
    const two = agent.stream('Second?', { session: second })
    const parts = collect(two)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(model.requests).toEqual([])
    answer.give('One.')
    expect(await one.text).toBe('One.')
    expect((await parts)[0]).toMatchObject({ type: 'status', status: 'queued' })
    expect(await textsOf(first)).toEqual(['First?', 'One.', 'Second?', 'Two.'])
    expect(model.requests[0]?.messages.map(({ content }) => content)).toEqual(['First?', 'One.', 'Second?'])
  })

  it('a run that waits its turn can be aborted, and those behind it go on', async () => {
    const desk = openDesk()
    const session = await (await desk.tab()).create()
    const answer = later()
    const one = agentOf([answer.turn]).agent.stream('First?', { session })
    await until(async () => (await desk.store.keys('r/')).length === 1)
    const two = agentOf(['x']).agent.stream('Second?', { session })
    const three = agentOf(['Three.']).agent.stream('Third?', { session })
    two.abort()
    expect(await two.finish).toMatchObject({ reason: 'aborted' })
    answer.give('One.')
    await one.text
    expect(await three.text).toBe('Three.')
    expect(await textsOf(session)).toEqual(['First?', 'One.', 'Third?', 'Three.'])
  })

  it('a person who does not answer an approval holds up nobody: what comes after is a branch', async () => {
    const desk = openDesk()
    const first = await (await desk.tab()).create()
    const second = await (await desk.tab()).open(first.id)
    const pay = tool({ name: 'pay', description: '', needsApproval: true, execute: async () => 'paid' })
    const run = agentOf([{ toolCalls: [{ name: 'pay' }] }, 'Paid.'], { tools: [pay] }).agent.stream('Pay', {
      session: first,
    })
    const done = run.text
    await until(async () => (await desk.store.entries<{ state?: unknown }>('r/')).some(([, row]) => row.state))
    await agentOf(['Two.']).agent.generate('Else?', { session: second })
    run.approve('call-1')
    expect(await done).toBe('Paid.')
    expect(await textsOf(first)).toEqual(['Pay', 'Else?', 'Two.'])
    const [one, two] = await first.branches()
    expect([one?.isShown, two?.isShown].sort()).toEqual([false, true])
    await first.show((one?.isShown ? two?.id : one?.id) ?? '')
    expect((await textsOf(first)).at(-1)).toBe('Paid.')
  })

  it('writes of both at once are all there', async () => {
    const desk = openDesk()
    const first = await (await desk.tab()).create()
    const second = await (await desk.tab()).open(first.id)
    const writers = [first, second].flatMap((session, tab) =>
      Array.from({ length: 20 }, (_, at) => session.add({ role: 'user', content: `${tab} ${at}` })),
    )
    await Promise.all([...writers, second.rename('Both')])
    const [summary] = await (await desk.tab()).list()
    expect(summary).toMatchObject({ messageCount: 40, title: 'Both' })
    expect(new Set(await textsOf(first)).size).toBe(40)
  })

  it('each is told what the other did', async () => {
    const desk = openDesk()
    const first = await (await desk.tab()).create()
    const seen: SessionChange[] = []
    const other = await desk.tab()
    const end = await other.subscribe((change) => seen.push(change))
    await first.add({ role: 'user', content: 'Hello' })
    await first.rename('Greeting')
    await until(() => seen.length === 2)
    await first.delete()
    await until(() => seen.length === 3)
    expect(seen.map(({ type }) => type)).toEqual(['messages', 'title', 'deleted'])
    expect(seen.every(({ id }) => id === first.id)).toBe(true)
    end()
  })
})

describe('the locks of sessions', () => {
  it('look at Web Locks without taking them', async () => {
    const held = new Set(['taken'])
    const request = vi.fn(async (name: string, options: LockOptions, run: (lock: unknown) => Promise<unknown>) => {
      expect(options).toMatchObject({ mode: 'shared', ifAvailable: true })
      return await run(held.has(name) ? null : { name })
    })
    const locks = createSessionLocks({ request } as never)
    expect(await locks.isHeld('taken')).toBe(true)
    expect(await locks.isHeld('free')).toBe(false)
  })
})

describe('storage that cannot be used', () => {
  beforeEach(() => vi.stubGlobal('indexedDB', undefined))
  afterEach(() => vi.unstubAllGlobals())

  it('sessions go on in memory, with one warning', async () => {
    const warnings: string[] = []
    const sessions = await openSessions({ name: 'blocked', onWarning: ({ code }) => warnings.push(code) })
    const session = await sessions.api.create()
    await agentOf(['One.']).agent.generate('First?', { session })
    expect(await textsOf(session)).toEqual(['First?', 'One.'])
    expect(warnings).toEqual(['store-blocked'])
    await sessions.close()
  })
})

describe('a crash in the middle of a write', () => {
  it('leaves each message with all that belongs to it: a step is written at one go', async () => {
    const inner = createMemoryStore()
    const snapshots: [string, unknown][][] = []
    const desk = openDesk({
      ...inner,
      write: async (changes) => {
        await inner.write(changes)
        snapshots.push(await inner.entries(''))
      },
    })
    const look = tool({ name: 'look', description: '', execute: async () => 'seen' })
    const session = await (await desk.tab()).create()
    await agentOf([{ toolCalls: [{ name: 'look' }] }, 'Seen.'], { tools: [look] }).agent.generate('Go', { session })
    expect(snapshots.length).toBeGreaterThan(4)
    for (const snapshot of snapshots) {
      const store = createMemoryStore()
      await store.write({ set: snapshot })
      const [opened] = await (await openDesk(store).tab()).list()
      const after = await (await openDesk(store).tab()).open(opened?.id ?? '')
      const messages = await after.messages()
      const calls = messages.filter(({ content }) => JSON.stringify(content).includes('"tool-call"')).length
      expect(messages.filter(({ role }) => role === 'tool').length).toBe(calls)
      expect(opened?.messageCount).toBe(messages.length)
      // The answer and the end of its run are one write.
      if (messages.length === 4) expect(await store.keys('r/')).toEqual([])
      const isWhole = messages.length === 4 || messages.length === 0
      expect((await after.unfinished()) === undefined).toBe(isWhole)
    }
  })
})
