import { describe, expect, it } from 'vitest'
import { agentOf, codeOf, openDesk, plain, textsOf } from './session-fixtures.js'

async function chat() {
  const desk = openDesk()
  const tab = await desk.tab()
  const session = await tab.create({ title: 'Trip' })
  const data = new Blob([new Uint8Array(100_000).map((_, at) => at % 251)], { type: 'image/png' })
  await session.add([
    {
      role: 'user',
      content: [
        { type: 'text', text: 'See' },
        { type: 'image', data, mediaType: 'image/png' },
      ],
    },
    {
      role: 'assistant',
      content: [{ type: 'tool-call', callId: 'a', name: 'look', input: { $blob: 'text', $$x: [null] } }],
    },
    { role: 'tool', content: [{ type: 'tool-result', callId: 'a', name: 'look', output: { picture: data, n: 1.5 } }] },
  ])
  await session.add({ role: 'assistant', content: 'Nice 🙂.' })
  const [first] = await session.messages()
  await session.edit(first?.id ?? '', 'Other way')
  return { desk, tab, session, data }
}

const fileOf = (value: unknown) => new Blob([JSON.stringify(value)])
const row = (id: string, parent: string | null, message: unknown = { role: 'user', content: id }) => ({
  id,
  parent,
  at: 1,
  message,
})
const file = (messages: unknown[], more: object = {}) =>
  fileOf({ format: 'alcove-session', version: 1, head: null, messages, ...more })

describe('a session as a JSON file', () => {
  it('comes back whole: all branches, attachments as binary, title', async () => {
    const { tab, session, data } = await chat()
    const blob = await session.export()
    expect(blob.type).toBe('application/json')
    expect(JSON.parse(await blob.text())).toMatchObject({ format: 'alcove-session', version: 1, title: 'Trip' })
    const copy = await tab.import(blob)
    expect(copy.id).not.toBe(session.id)
    expect(copy.title).toBe('Trip')
    expect(await textsOf(copy)).toEqual(['Other way'])
    const [long] = await copy.branches()
    await copy.show(long?.id ?? '')
    const messages = await copy.messages()
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant'])
    expect(messages[3]?.content).toBe('Nice 🙂.')
    expect(messages[1]?.content[0]).toMatchObject({ input: { $blob: 'text', $$x: [null] } })
    const [shown, , looked] = messages.map(({ content }) => content as readonly unknown[])
    const image = (shown?.[1] as { data: Blob } | undefined)?.data as Blob
    const nested = (looked?.[0] as { output: { picture: Blob; n: number } } | undefined)?.output
    expect(nested?.n).toBe(1.5)
    for (const each of [image, nested?.picture ?? new Blob()]) {
      expect(each.type).toBe('image/png')
      expect(new Uint8Array(await each.arrayBuffer())).toEqual(new Uint8Array(await data.arrayBuffer()))
    }
  })

  it('goes on where it was: a run has its history', async () => {
    const { tab, session } = await chat()
    const copy = await tab.import(await session.export())
    const { agent, model } = agentOf(['Yes.'])
    await agent.generate('And?', { session: copy })
    expect(plain(model.requests[0]?.messages ?? [])).toEqual([
      { role: 'user', content: 'Other way' },
      { role: 'user', content: 'And?' },
    ])
  })

  it('without a title of its own it has its first line', async () => {
    const tab = await openDesk().tab()
    const session = await tab.create()
    await session.add({ role: 'user', content: 'Hello there' })
    expect((await tab.import(await session.export())).title).toBe('Hello there')
  })

  const bad: Record<string, [Blob, string, RegExp]> = {
    'from a newer version': [file([], { version: 2 }), 'version-unsupported', /newer/i],
    'from another product': [fileOf({ mapping: {}, title: 'Chat' }), 'parse-failed', /export/i],
    'that is no JSON': [new Blob(['<html>']), 'parse-failed', /export/i],
    'without messages': [fileOf({ format: 'alcove-session', version: 1 }), 'parse-failed', /export/i],
    'with a message that is none': [file([row('a', null, { role: 'boss', content: 'x' })]), 'parse-failed', /export/i],
    'with an id twice': [file([row('a', null), row('a', null)]), 'parse-failed', /export/i],
    'with messages in a circle': [file([row('a', 'b'), row('b', 'a')]), 'parse-failed', /export/i],
    'whose last message is missing': [file([row('a', null)], { head: 'z' }), 'parse-failed', /export/i],
    'with a broken attachment': [
      file([row('a', null, { role: 'user', content: [{ type: 'image', data: { $blob: '%%%' } }] })]),
      'parse-failed',
      /export/i,
    ],
    'nested without end': [
      new Blob([`{"format":"alcove-session","version":1,"messages":[${'['.repeat(50_000)}${']'.repeat(50_000)}]}`]),
      'parse-failed',
      /export/i,
    ],
  }
  for (const [what, [blob, code, hint]] of Object.entries(bad)) {
    it(`a file ${what} is one typed error that says what to do; nothing is stored`, async () => {
      const desk = openDesk()
      const tab = await desk.tab()
      await expect(tab.import(blob)).rejects.toMatchObject({ code, hint: expect.stringMatching(hint) })
      expect(await desk.store.keys()).toEqual([])
    })
  }

  it('a file that is cut anywhere, one too large, and what is no file are refused', async () => {
    const { desk, tab, session } = await chat()
    const blob = await session.export()
    const before = (await desk.store.keys()).length
    for (let at = 1; at < 10; at++) {
      expect(await codeOf(tab.import(blob.slice(0, Math.floor((blob.size * at) / 10))))).toBe('parse-failed')
    }
    expect(await codeOf(tab.import(blob, { maxBytes: blob.size - 1 }))).toBe('too-large')
    expect(await codeOf(tab.import('{}' as never))).toBe('invalid-argument')
    expect((await desk.store.keys()).length).toBe(before)
  })

  it('names such as __proto__ stay names', async () => {
    const tab = await openDesk().tab()
    const text = `{"format":"alcove-session","version":1,"head":"a","messages":[{"id":"a","parent":null,"at":1,"message":{"role":"user","content":"x","__proto__":{"polluted":1}}}]}`
    const session = await tab.import(new Blob([text]))
    const [message] = await session.messages()
    expect((message as { polluted?: number }).polluted).toBeUndefined()
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })
})

describe('search in old chats', () => {
  async function library() {
    const tab = await openDesk().tab()
    const texts = {
      boats: ['Who built the rowing boat?', 'It was built by Ingrid Larsen in 1931.'],
      cafe: ['Wo ist das CAFÉ am Hafen?', 'Neben dem Leuchtturm.'],
      chinese: ['图书馆几点开门？', '港口图书馆早上九点开门。'],
      other: ['What is the weather?', 'Sunny.'],
    }
    const ids: Record<string, string> = {}
    for (const [name, [question = '', answer = '']] of Object.entries(texts)) {
      const session = await tab.create(name === 'other' ? { title: 'Rowing weather' } : {})
      await session.add([
        { role: 'user', content: question },
        { role: 'assistant', content: answer },
      ])
      ids[name] = session.id
    }
    const names = async (query: string, limit?: number) =>
      (await tab.search(query, { limit })).map(({ id }) => Object.keys(ids).find((name) => ids[name] === id))
    return { tab, ids, names }
  }

  it('finds by title and text, over all words, without capitals and accents, also in Chinese', async () => {
    const { names } = await library()
    expect(await names('larsen ROWING')).toEqual(['boats'])
    expect(await names('cafe hafen')).toEqual(['cafe'])
    expect(await names('图书馆')).toEqual(['chinese'])
    expect(await names('九点开门')).toEqual(['chinese'])
    expect(await names('rowing larsen weather')).toEqual([])
  })

  it('a title counts more than text, and the limit holds', async () => {
    const { names } = await library()
    const found = await names('rowing')
    // The first question of 'boats' is its title.
    expect(found.sort()).toEqual(['boats', 'other'])
    expect(await names('weather')).toEqual(['other'])
    expect((await names('rowing', 1)).length).toBe(1)
  })

  it('says where, with the word in the excerpt', async () => {
    const { tab, ids } = await library()
    const session = await tab.open(ids.boats ?? '')
    const [id] = await session.add({
      role: 'assistant',
      content: `${'ﬁne ⅷ '.repeat(300)}the lighthouse ${'b '.repeat(300)}`,
    })
    const [hit] = await tab.search('lighthouse')
    expect(hit?.matches).toEqual([{ messageId: id, excerpt: expect.stringContaining('lighthouse') }])
    expect(hit?.matches[0]?.excerpt.length).toBeLessThan(160)
  })

  it('does not look into instructions and results of tools, and refuses a query without words', async () => {
    const { tab, ids } = await library()
    const session = await tab.open(ids.other ?? '')
    await session.add([
      { role: 'system', content: 'secretword' },
      { role: 'tool', content: [{ type: 'tool-result', callId: 'a', name: 'x', output: 'secretword' }] },
    ])
    expect(await tab.search('secretword')).toEqual([])
    expect(await codeOf(tab.search(' ?! '))).toBe('invalid-argument')
    const aborted = AbortSignal.abort()
    expect(await codeOf(tab.search('boat', { signal: aborted }))).toBe('aborted')
  })
})
