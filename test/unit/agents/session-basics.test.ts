import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../../src/store/store.js'
import { agentOf, codeOf, openDesk, plain, textsOf, until } from './session-fixtures.js'

describe('a session keeps a conversation', () => {
  it('a run reads its history from it and writes to it; another tab sees all', async () => {
    const desk = openDesk()
    const tab = await desk.tab()
    const session = await tab.create()
    const { agent, model } = agentOf(['Ada.', 'In 1815.'])
    await agent.generate('Who was first?', { session })
    const run = agent.stream('When was she born?', { session })
    expect(await run.text).toBe('In 1815.')
    expect(model.requests[1]?.messages).toEqual([
      { role: 'user', content: 'Who was first?' },
      { role: 'assistant', content: 'Ada.' },
      { role: 'user', content: 'When was she born?' },
    ])
    const other = await (await desk.tab()).open(session.id)
    expect(await textsOf(other)).toEqual(['Who was first?', 'Ada.', 'When was she born?', 'In 1815.'])
    expect(await run.messages).toEqual([{ role: 'assistant', content: 'In 1815.' }])
    const ids = (await other.messages()).map(({ id }) => id)
    expect(new Set(ids).size).toBe(4)
    expect(await other.unfinished()).toBeUndefined()
    expect(await desk.store.keys('r/')).toEqual([])
  })

  it('keeps all messages of steps with tools, whole, and pictures as binary', async () => {
    const desk = openDesk()
    const session = await (await desk.tab()).create()
    const look = { name: 'look', description: '', execute: async () => ({ seen: 3 }) }
    const { agent } = agentOf([{ text: 'Wait. ', toolCalls: [{ name: 'look' }] }, 'Three.'], { tools: [look as never] })
    const data = new Blob([new Uint8Array([0, 255, 7])], { type: 'image/png' })
    await agent.generate(
      {
        role: 'user',
        content: [
          { type: 'text', text: 'How many?' },
          { type: 'image', data, mediaType: 'image/png' },
        ],
      },
      { session },
    )
    const messages = await (await (await desk.tab()).open(session.id)).messages()
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant'])
    expect(messages[2]?.content).toEqual([{ type: 'tool-result', callId: 'call-1', name: 'look', output: { seen: 3 } }])
    const image = messages[0]?.content[1] as { data: Blob }
    expect([...new Uint8Array(await image.data.arrayBuffer())]).toEqual([0, 255, 7])
  })

  it('the context manager trims what the model gets, and the stored history stays whole', async () => {
    const desk = openDesk()
    const session = await (await desk.tab()).create()
    const long = 'word '.repeat(200)
    await session.add(
      Array.from(
        { length: 20 },
        (_, at) => ({ role: at % 2 ? 'assistant' : 'user', content: `${at} ${long}` }) as const,
      ),
    )
    const { agent, model } = agentOf(['Yes.'])
    Object.assign(model, { contextTokens: 1500 })
    await agent.generate('And now?', { session })
    expect(model.requests[0]?.messages.length).toBeLessThan(12)
    expect((await session.messages()).length).toBe(22)
  })

  it('an input that cannot be answered is not stored', async () => {
    const desk = openDesk()
    const session = await (await desk.tab()).create()
    const run = agentOf(['never']).agent.stream('  ', { session })
    expect(await run.finish).toMatchObject({ reason: 'error', error: { code: 'invalid-argument' } })
    expect(await session.messages()).toEqual([])
    expect(await desk.store.keys('r/')).toEqual([])
  })

  it('what is no session is an error of the run', async () => {
    const run = agentOf(['never']).agent.stream('Hi', { session: 'abc' as never })
    expect(await run.finish).toMatchObject({ reason: 'error', error: { code: 'invalid-argument' } })
  })

  it('an aborted run leaves its question and what it had written', async () => {
    const desk = openDesk()
    const session = await (await desk.tab()).create()
    const { agent } = agentOf([() => new Promise(() => {})])
    const run = agent.stream('Tell me', { session })
    await new Promise((resolve) => setTimeout(resolve, 20))
    run.abort()
    expect(await run.finish).toMatchObject({ reason: 'aborted' })
    expect(await textsOf(session)).toEqual(['Tell me'])
    expect(await session.unfinished()).toBeUndefined()
    await agentOf(['Better.']).agent.generate('Again', { session })
    expect(await textsOf(session)).toEqual(['Tell me', 'Again', 'Better.'])
  })

  it('a run that is aborted while the session is read holds up nobody', async () => {
    const store = createMemoryStore()
    let delayMs = 0
    const desk = openDesk({
      ...store,
      entries: async (prefix, page) => {
        await new Promise((resolve) => setTimeout(resolve, delayMs))
        return await store.entries(prefix, page)
      },
    })
    const session = await (await desk.tab()).create()
    delayMs = 20
    const run = agentOf(['never']).agent.stream('First?', { session })
    await new Promise((resolve) => setTimeout(resolve, 10))
    run.abort()
    expect(await run.finish).toMatchObject({ reason: 'aborted' })
    await agentOf(['Two.']).agent.generate('Second?', { session })
    expect((await textsOf(session)).slice(-2)).toEqual(['Second?', 'Two.'])
    expect(await store.keys('r/')).toEqual([])
  })

  it('ids of the caller are not those of the session, and no model sees any', async () => {
    const session = await (await openDesk().tab()).create()
    const { agent, model } = agentOf(['One.', 'Two.'])
    await agent.generate({ role: 'user', content: 'First?', id: 'mine' }, { session })
    await agent.generate('Second?', { session })
    expect((await session.messages())[0]?.id).not.toBe('mine')
    expect(model.requests.flatMap(({ messages }) => messages).some((message) => 'id' in message)).toBe(false)
  })

  it('a run that fails keeps what it had, and says so', async () => {
    const desk = openDesk()
    const session = await (await desk.tab()).create()
    const { agent } = agentOf([{ text: 'Half', error: new Error('broken') }])
    expect(await agent.stream('Go', { session }).finish).toMatchObject({ reason: 'error' })
    expect(await textsOf(session)).toEqual(['Go', 'Half'])
  })
})

describe('list, rename, delete', () => {
  it('lists what was used last first, with titles from the first line or as given', async () => {
    const desk = openDesk()
    const tab = await desk.tab()
    const first = await tab.create()
    const second = await tab.create({ title: '  A plan\nfor May ' })
    await first.add({ role: 'user', content: `\n  Where is the   harbour?\nPlease say. ${'x'.repeat(200)}` })
    await new Promise((resolve) => setTimeout(resolve, 3))
    await second.add({ role: 'user', content: 'Hello' })
    expect((await tab.list()).map(({ title, messageCount }) => ({ title, messageCount }))).toEqual([
      { title: 'A plan for May', messageCount: 1 },
      { title: 'Where is the harbour?', messageCount: 1 },
    ])
    await first.rename('Harbour')
    expect(first.title).toBe('Harbour')
    expect((await tab.list()).map(({ title }) => title)).toEqual(['A plan for May', 'Harbour'])
    expect((await (await desk.tab()).open(first.id)).title).toBe('Harbour')
  })

  it('a title that comes of a run shows on the session; a long one is cut', async () => {
    const session = await (await openDesk().tab()).create()
    expect(session.title).toBe('')
    await agentOf(['Yes.']).agent.generate('🙂'.repeat(100), { session })
    expect([...session.title]).toHaveLength(80)
    expect(session.title.endsWith('🙂…')).toBe(true)
    await expect(session.rename('  ')).rejects.toMatchObject({ code: 'invalid-argument' })
  })

  it('a deleted session leaves nothing, and using it says what to do', async () => {
    const desk = openDesk()
    const tab = await desk.tab()
    const session = await tab.create()
    const other = await tab.create()
    await session.add({ role: 'user', content: 'Hello' })
    await (await (await desk.tab()).open(session.id)).delete()
    expect((await desk.store.keys()).filter((key) => key.includes(session.id))).toEqual([])
    const codes = [
      session.messages(),
      session.rename('x'),
      session.add({ role: 'user', content: 'x' }),
      tab.open(session.id),
    ]
    expect(await Promise.all(codes.map(codeOf))).toEqual(Array(4).fill('not-found'))
    expect(await tab.delete(session.id)).toBe(false)
    expect(await tab.delete(other.id)).toBe(true)
    const run = agentOf(['never']).agent.stream('Hi', { session })
    expect(await run.finish).toMatchObject({ error: { code: 'not-found', hint: expect.stringContaining('list()') } })
    expect(await desk.store.keys()).toEqual([])
  })

  it('a session that is deleted while a run answers stays deleted; the run goes on, with one warning', async () => {
    const desk = openDesk()
    const session = await (await desk.tab()).create()
    let answer = (_: string) => {}
    const { agent } = agentOf([() => new Promise<string>((resolve) => (answer = resolve))])
    const run = agent.stream('Go', { session })
    run.text.catch(() => {})
    await until(async () => (await desk.store.keys('r/')).length === 1)
    await session.delete()
    answer('Here.')
    expect(await run.text).toBe('Here.')
    expect(await desk.store.keys()).toEqual([])
    expect(desk.warnings.map(({ code }) => code)).toEqual(['not-found'])
  })

  it('counts bytes, and clears everything', async () => {
    const desk = openDesk()
    const sessions = await desk.sessions()
    const session = await sessions.api.create()
    await session.add({
      role: 'user',
      content: [{ type: 'file', data: new Blob(['x'.repeat(5_000)]), mediaType: 'text/plain' }],
    })
    expect(await sessions.usage()).toBeGreaterThan(5_000)
    const told: unknown[] = []
    session.subscribe((change) => told.push(change))
    await sessions.clear()
    expect(told).toEqual([{ id: null, type: 'deleted' }])
    expect(await sessions.usage()).toBe(0)
    expect(await sessions.api.list()).toEqual([])
  })

  it('a session of a newer version is one typed error; the others are listed', async () => {
    const desk = openDesk()
    const tab = await desk.tab()
    await tab.create({ title: 'Mine' })
    await desk.store.write({ set: [['s/new', { version: 2, id: 'new', createdAt: 1 }]] })
    await desk.store.write({ set: [['s/broken', 'nonsense']] })
    await expect(tab.open('new')).rejects.toMatchObject({
      code: 'version-unsupported',
      hint: expect.stringMatching(/anew/),
    })
    await expect(tab.open('broken')).rejects.toMatchObject({ code: 'not-found' })
    expect((await tab.list()).map(({ title }) => title)).toContain('Mine')
  })
})

describe('fork, edit, run again', () => {
  async function chat() {
    const desk = openDesk()
    const session = await (await desk.tab()).create()
    const { agent } = agentOf(['One.', 'Two.'])
    await agent.generate('First?', { session })
    await agent.generate('Second?', { session })
    return { desk, session, messages: await session.messages() }
  }

  it('a fork has the messages up to one, and a life of its own', async () => {
    const { session, messages } = await chat()
    const fork = await session.fork(messages[1]?.id)
    expect(await textsOf(fork)).toEqual(['First?', 'One.'])
    await agentOf(['Else.']).agent.generate('Other?', { session: fork })
    expect(await textsOf(fork)).toEqual(['First?', 'One.', 'Other?', 'Else.'])
    expect((await session.messages()).length).toBe(4)
    expect((await (await session.fork()).messages()).length).toBe(4)
    expect(fork.title).toBe('First?')
    await expect(session.fork('nobody')).rejects.toMatchObject({ code: 'not-found' })
  })

  it('an edited question begins a new branch, is answered by rerun, and the old one stays', async () => {
    const { session, messages } = await chat()
    const edited = await session.edit(messages[2]?.id ?? '', 'Third?')
    expect(await textsOf(session)).toEqual(['First?', 'One.', 'Third?'])
    const { agent, model } = agentOf(['Three.'])
    expect(await session.rerun(agent).text).toBe('Three.')
    expect(plain(model.requests[0]?.messages ?? []).at(-1)).toEqual({ role: 'user', content: 'Third?' })
    expect(await textsOf(session)).toEqual(['First?', 'One.', 'Third?', 'Three.'])
    const branches = await session.branches()
    expect(branches.map(({ isShown }) => isShown)).toEqual([false, true])
    await session.show(messages[2]?.id ?? '')
    expect(await textsOf(session)).toEqual(['First?', 'One.', 'Second?', 'Two.'])
    await session.show(edited)
    expect((await textsOf(session)).at(-1)).toBe('Three.')
    await expect(session.edit(edited, 5 as never)).rejects.toMatchObject({ code: 'invalid-argument' })
  })

  it('answers any question anew, by itself or by its answer', async () => {
    const { session, messages } = await chat()
    await session.rerun(agentOf(['Uno.']).agent, { from: messages[1]?.id }).text
    expect(await textsOf(session)).toEqual(['First?', 'Uno.'])
    await session.rerun(agentOf(['Dos.']).agent, { from: messages[2]?.id }).text
    expect(await textsOf(session)).toEqual(['First?', 'One.', 'Second?', 'Dos.'])
    expect((await session.branches()).length).toBe(3)
    const run = session.rerun(agentOf(['x']).agent, { from: 'nobody' })
    expect(await run.finish).toMatchObject({ error: { code: 'not-found' } })
  })
})

describe('what is damaged or cannot be stored', () => {
  it('a lost or broken row does not hide the others', async () => {
    const store = createMemoryStore()
    const desk = openDesk(store)
    const session = await (await desk.tab()).create()
    const ids = await session.add(['a', 'b', 'c', 'd'].map((content) => ({ role: 'user', content }) as const))
    await store.write({ set: [[`m/${session.id}/${ids[1]}`, { nonsense: 1 }]] })
    expect(await textsOf(session)).toEqual(['a', 'c', 'd'])
    await store.write({ delete: [`m/${session.id}/${ids[3]}`] })
    expect(await textsOf(session)).toEqual(['a', 'c'])
  })

  it('rows that refer to each other end no reader', async () => {
    const store = createMemoryStore()
    const desk = openDesk(store)
    const session = await (await desk.tab()).create()
    const [first = '', last = ''] = await session.add(['a', 'b'].map((content) => ({ role: 'user', content }) as const))
    const row = await store.get<object>(`m/${session.id}/${first}`)
    await store.write({ set: [[`m/${session.id}/${first}`, { ...row, parent: last }]] })
    expect(await textsOf(session)).toEqual(['a', 'b'])
  })

  it('full storage: the session goes on in memory with one warning, and is written when there is room again', async () => {
    const { AlcoveError } = await import('../../../src/protocol/error.js')
    const store = createMemoryStore()
    let isFull = false
    const desk = openDesk({
      ...store,
      write: async (changes) => {
        if (isFull) throw new AlcoveError('quota-exceeded', 'full')
        await store.write(changes)
      },
    })
    const tab = await desk.tab()
    const session = await tab.create()
    isFull = true
    await agentOf(['One.']).agent.generate('First?', { session })
    const other = await tab.create({ title: 'In memory' })
    await other.add({ role: 'user', content: 'x' })
    await other.delete()
    expect(await textsOf(session)).toEqual(['First?', 'One.'])
    expect(desk.warnings.map(({ code }) => code)).toEqual(['quota-exceeded'])
    expect(await store.keys('m/')).toEqual([])
    isFull = false
    await agentOf(['Two.']).agent.generate('Second?', { session })
    expect((await store.keys('m/')).length).toBe(4)
    expect(await store.keys('s/')).toEqual([`s/${session.id}`])
    expect(desk.warnings.length).toBe(1)
  })
})
