import type { Page } from '@playwright/test'
import { expect, models, origins, test } from './setup.js'

/** Opens a client on the page and keeps it there as `desk`, with what the tests do with it. */
async function openDesk(page: Page, name: string, model: string | null = null) {
  await page.evaluate(
    async ({ name, model }) => {
      const { createAlcove, tool } = await import('/dist/index.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const alcove = createAlcove({ model: model ?? 'extractive', storage: { name }, maxDownloadBytes: 200_000_000 })
      const log: string[] = []
      const pay = tool({
        name: 'pay',
        description: 'Pays',
        needsApproval: true,
        execute: async (input) => {
          log.push(`paid ${input.amount}`)
          return 'paid'
        },
      })
      const scripted = (turns: readonly unknown[], delayMs = 0) =>
        alcove.agent({ model: scriptedModel(turns as never, { delayMs, chunkSize: 4 }), tools: [pay] })
      Object.assign(globalThis, { desk: { alcove, scripted, log } })
    },
    { name, model },
  )
}

interface Desk {
  readonly alcove: import('../../src/index.js').Alcove
  readonly log: string[]
  scripted(turns: readonly unknown[], delayMs?: number): import('../../src/index.js').Agent
}

declare global {
  var desk: Desk
}

/** Asks and does not wait for the answer. */
const ask = (page: Page, id: string, question: string, turns: readonly unknown[], delayMs = 0) =>
  page.evaluate(
    async ({ id, question, turns, delayMs }) => {
      const session = await desk.alcove.sessions.open(id)
      void desk.scripted(turns, delayMs).stream(question, { session }).finish
    },
    { id, question, turns, delayMs },
  )

const look = (page: Page, id: string) =>
  page.evaluate(async (id) => {
    const session = await desk.alcove.sessions.open(id)
    const messages = await session.messages()
    return {
      title: session.title,
      roles: messages.map(({ role }) => role),
      texts: messages.map(({ content }) => content),
      unfinished: (await session.unfinished()) ?? null,
    }
  }, id)

const create = (page: Page) => page.evaluate(async () => (await desk.alcove.sessions.create()).id)

test.describe('a run that is cut off', () => {
  test('by a reload in the middle of its text goes on after it', async ({ blank }) => {
    await openDesk(blank, 'cut')
    const id = await create(blank)
    const answer = 'The harbour library opens at nine in the morning and closes at eight.'
    await ask(blank, id, 'When does it open?', [answer], 60)
    await expect
      .poll(async () => (await blank.evaluate(readRuns, 'cut')).some((run) => run.partial.length > 8))
      .toBe(true)
    await blank.reload()
    await openDesk(blank, 'cut')
    const cut = await look(blank, id)
    expect(cut).toMatchObject({ title: 'When does it open?', texts: ['When does it open?'] })
    expect(answer.startsWith(cut.unfinished?.text ?? 'x')).toBe(true)
    expect(cut.unfinished?.text.length).toBeGreaterThan(8)
    const parts = await blank.evaluate(
      async ({ id, answer }) => {
        const session = await desk.alcove.sessions.open(id)
        const seen: string[] = []
        for await (const part of session.resume(desk.scripted([answer]))) {
          seen.push(part.type === 'status' ? part.status : part.type)
        }
        return seen
      },
      { id, answer },
    )
    expect(parts[0]).toBe('recovered')
    expect(parts.at(-1)).toBe('finish')
    expect(await look(blank, id)).toMatchObject({ texts: ['When does it open?', answer], unfinished: null })
  })

  test('by a reload while a person is asked asks again, and pays once', async ({ blank }) => {
    await openDesk(blank, 'asked')
    const id = await create(blank)
    const turn = { text: 'I pay. ', toolCalls: [{ name: 'pay', input: { amount: 7 } }] }
    await ask(blank, id, 'Pay it', [turn])
    await expect.poll(async () => (await blank.evaluate(readRuns, 'asked')).some((run) => run.state)).toBe(true)
    await blank.reload()
    await openDesk(blank, 'asked')
    expect((await look(blank, id)).unfinished).toMatchObject({
      calls: [{ name: 'pay', input: { amount: 7 }, status: 'waiting' }],
    })
    const result = await blank.evaluate(async (id) => {
      const session = await desk.alcove.sessions.open(id)
      const run = session.resume(desk.scripted(['Done.']))
      for await (const part of run) if (part.type === 'approval-request') run.approve(part.callId)
      return { text: await run.text, log: desk.log }
    }, id)
    expect(result).toEqual({ text: 'I pay. Done.', log: ['paid 7'] })
    expect((await look(blank, id)).roles).toEqual(['user', 'assistant', 'tool', 'assistant'])
  })

  test('by a reload while a small real model writes goes on with it', async ({ blank }) => {
    test.skip(!models.chat, 'needs a small chat model')
    const start = (id: string | null) =>
      blank.evaluate(async (id) => {
        const { sessions } = desk.alcove
        const session = id ? await sessions.open(id) : await sessions.create()
        const agent = desk.alcove.agent({ sampling: { temperature: 0, maxTokens: 48 } })
        if (!id) {
          const run = agent.stream('Tell me a story about a boat.', { session })
          void run.finish
          return { id: session.id, text: '', texts: [] }
        }
        const run = session.resume(agent)
        const text = await run.text
        return { id, text, texts: (await session.messages()).map(({ content }) => content) }
      }, id)
    await openDesk(blank, 'real', models.chat)
    const { id } = await start(null)
    await expect
      .poll(async () => (await blank.evaluate(readRuns, 'real')).some((run) => run.partial.length > 10), {
        timeout: 120_000,
      })
      .toBe(true)
    await blank.reload()
    await openDesk(blank, 'real', models.chat)
    const cut = (await look(blank, id)).unfinished?.text ?? ''
    const result = await start(id)
    // At temperature 0 the same model begins with the same words.
    expect(result.text.startsWith(cut.slice(0, 10))).toBe(true)
    expect(result.text.length).toBeGreaterThan(40)
    expect(result.texts).toEqual(['Tell me a story about a boat.', result.text])
  })
})

/** Rows of runs that are not over, as the database has them. */
async function readRuns(name: string): Promise<{ partial: string; state?: unknown }[]> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(`${name}-sessions`)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
  try {
    return await new Promise((resolve, reject) => {
      const request = database.transaction('entries').objectStore('entries').getAll(IDBKeyRange.bound('r/', 'r0'))
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    })
  } finally {
    database.close()
  }
}

test.describe('two tabs on one session', () => {
  async function openSecond(page: Page): Promise<Page> {
    const other = await page.context().newPage()
    await other.goto(new URL('/pages/blank.html', origins().home).href)
    return other
  }

  test('lose nothing: the second question waits and knows the first answer, and each tab is told', async ({
    blank,
  }) => {
    const other = await openSecond(blank)
    for (const page of [blank, other]) await openDesk(page, 'tabs')
    const id = await create(blank)
    await other.evaluate(async (id) => {
      const session = await desk.alcove.sessions.open(id)
      session.subscribe(({ type }) => desk.log.push(type))
    }, id)
    await ask(blank, id, 'First?', ['The first answer, slowly.'], 40)
    await expect.poll(async () => (await blank.evaluate(readRuns, 'tabs')).length).toBe(1)
    // It goes on over there, so it is not unfinished here.
    expect((await look(other, id)).unfinished).toBeNull()
    const second = await other.evaluate(async (id) => {
      const session = await desk.alcove.sessions.open(id)
      const parts: string[] = []
      const run = desk.scripted(['The second answer.']).stream('Second?', { session })
      for await (const part of run) parts.push(part.type === 'status' ? part.status : part.type)
      return parts
    }, id)
    expect(second[0]).toBe('queued')
    const texts = ['First?', 'The first answer, slowly.', 'Second?', 'The second answer.']
    for (const page of [blank, other]) expect((await look(page, id)).texts).toEqual(texts)
    const told = await other.evaluate(() => desk.log)
    expect(told.filter((type) => type === 'messages').length).toBeGreaterThanOrEqual(4)
  })

  test('writing at the same time is all kept, in one order', async ({ blank }) => {
    const other = await openSecond(blank)
    for (const page of [blank, other]) await openDesk(page, 'both')
    const id = await create(blank)
    const write = (page: Page, tab: string) =>
      page.evaluate(
        async ({ id, tab }) => {
          const session = await desk.alcove.sessions.open(id)
          for (let at = 0; at < 50; at++) await session.add({ role: 'user', content: `${tab} ${at}` })
        },
        { id, tab },
      )
    await Promise.all([write(blank, 'a'), write(other, 'b')])
    const [summary] = await blank.evaluate(async () => desk.alcove.sessions.list())
    expect(summary?.messageCount).toBe(100)
    const { texts } = await look(other, id)
    expect(new Set(texts).size).toBe(100)
    for (const tab of ['a', 'b']) {
      const own = texts.filter((text) => String(text).startsWith(tab))
      expect(own).toEqual(Array.from({ length: 50 }, (_, at) => `${tab} ${at}`))
    }
  })

  test('a tab that dies in its run leaves it to the other', async ({ blank }) => {
    const other = await openSecond(blank)
    for (const page of [blank, other]) await openDesk(page, 'dies')
    const id = await create(blank)
    await ask(other, id, 'Go', ['An answer that takes very long indeed.'], 200)
    await expect.poll(async () => (await blank.evaluate(readRuns, 'dies')).some((run) => run.partial !== '')).toBe(true)
    expect((await look(blank, id)).unfinished).toBeNull()
    await other.close()
    await expect.poll(async () => (await look(blank, id)).unfinished?.text ?? '').not.toBe('')
    const text = await blank.evaluate(async (id) => {
      const session = await desk.alcove.sessions.open(id)
      return await session.resume(desk.scripted(['Here.'])).text
    }, id)
    expect(text).toBe('Here.')
    expect((await look(blank, id)).texts).toEqual(['Go', 'Here.'])
  })
})

test.describe('what is kept', () => {
  test('a page that crashes in the middle of writing leaves the session whole', async ({ blank }) => {
    const writer = await blank.context().newPage()
    await writer.goto(new URL('/pages/blank.html', origins().home).href)
    for (const page of [blank, writer]) await openDesk(page, 'crash')
    const id = await create(blank)
    await writer.evaluate(async (id) => {
      const session = await desk.alcove.sessions.open(id)
      const write = async () => {
        for (let at = 0; ; at++) {
          const content = `${at} ${'x'.repeat(20_000)}`
          await session.add([
            { role: 'user', content },
            { role: 'assistant', content },
          ])
        }
      }
      void write()
    }, id)
    await expect.poll(async () => (await look(blank, id)).texts.length, { intervals: [20] }).toBeGreaterThan(20)
    const cdp = await writer.context().newCDPSession(writer)
    void cdp.send('Page.crash').catch(() => {})
    await writer.waitForEvent('crash')
    const { roles, texts } = await look(blank, id)
    expect(roles.length % 2).toBe(0)
    expect(texts.map((text) => Number.parseInt(String(text), 10))).toEqual(texts.map((_, at) => Math.floor(at / 2)))
    const [summary] = await blank.evaluate(async () => desk.alcove.sessions.list())
    expect(summary?.messageCount).toBe(texts.length)
    await blank.evaluate(async (id) => (await desk.alcove.sessions.open(id)).add({ role: 'user', content: 'on' }), id)
    expect((await look(blank, id)).texts.at(-1)).toBe('on')
  })

  test('attachments stay binary over a reload and through a file; use is counted, and cleared', async ({ blank }) => {
    await openDesk(blank, 'files')
    const id = await create(blank)
    await blank.evaluate(async (id) => {
      const session = await desk.alcove.sessions.open(id)
      const data = new Blob([new Uint8Array(300_000).map((_, at) => at % 256)], { type: 'image/png' })
      await session.add({ role: 'user', content: [{ type: 'image', data, mediaType: 'image/png' }] })
    }, id)
    await blank.reload()
    await openDesk(blank, 'files')
    const result = await blank.evaluate(async (id) => {
      const { sessions, storage } = desk.alcove
      const session = await sessions.open(id)
      const copy = await sessions.import(await session.export())
      const sums: number[] = []
      for (const each of [session, copy]) {
        const [message] = await each.messages()
        const [part] = (message?.content ?? []) as readonly { data: Blob }[]
        const bytes = new Uint8Array((await part?.data.arrayBuffer()) as ArrayBuffer)
        sums.push(
          bytes.length,
          bytes.reduce((sum, byte) => sum + byte, 0),
        )
      }
      const before = (await storage.usage()).sessions
      await storage.clear('sessions')
      return { sums, before, after: (await storage.usage()).sessions, left: await sessions.list() }
    }, id)
    expect(result.sums.slice(0, 2)).toEqual(result.sums.slice(2))
    expect(result.sums[0]).toBe(300_000)
    expect(result.before).toBeGreaterThan(600_000)
    expect(result).toMatchObject({ after: 0, left: [] })
  })

  test('full storage: the conversation goes on in memory, with one warning', async ({ blank }) => {
    const cdp = await blank.context().newCDPSession(blank)
    const { origin } = new URL(origins().home)
    await cdp.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 8_000_000 })
    await openDesk(blank, 'full')
    const result = await blank.evaluate(async () => {
      const { sessions } = desk.alcove
      const session = await sessions.create()
      for (let at = 0; at < 12; at++) {
        const noise = Array.from({ length: 16 }, () => crypto.getRandomValues(new Uint8Array(65_536)))
        const data = new Blob(noise)
        await session.add({ role: 'user', content: [{ type: 'file', data, mediaType: 'application/octet-stream' }] })
      }
      await desk.scripted(['Yes.']).generate('Still there?', { session })
      const texts: unknown[] = []
      for (const { content } of await session.messages()) {
        const [part] = content as readonly { data?: Blob }[]
        texts.push(part?.data ? new Uint8Array(await part.data.arrayBuffer()).length : content)
      }
      return { texts, warnings: (await desk.alcove.health()).warnings.map(({ code }) => code) }
    })
    await cdp.send('Storage.overrideQuotaForOrigin', { origin })
    expect(result.texts).toEqual([...Array(12).fill(1_048_576), 'Still there?', 'Yes.'])
    expect(result.warnings).toEqual(['quota-exceeded'])
  })

  test('old chats are found by their words', async ({ blank }) => {
    await openDesk(blank, 'search')
    const found = await blank.evaluate(async () => {
      const { sessions } = desk.alcove
      for (let at = 0; at < 30; at++) {
        const session = await sessions.create()
        await session.add({ role: 'user', content: `Question ${at} about ${at === 17 ? 'the Lighthouse' : 'boats'}` })
      }
      const [hit] = await sessions.search('lighthouse question')
      return { title: hit?.title, excerpt: hit?.matches[0]?.excerpt, count: (await sessions.search('boats')).length }
    })
    expect(found).toEqual({
      title: 'Question 17 about the Lighthouse',
      excerpt: 'Question 17 about the Lighthouse',
      count: 20,
    })
  })

  test('what is remembered is recalled after a reload, and can be removed', async ({ blank }) => {
    const use = (turns: readonly unknown[]) =>
      blank.evaluate(async (turns) => {
        const { scriptedModel } = await import('/dist/testing.js')
        const memory = await desk.alcove.corpus('memory', { vectors: 'background' })
        const agent = desk.alcove.agent({ model: scriptedModel(turns as never), memory })
        const { messages } = await agent.generate('Go')
        const facts = await memory.list()
        const results = messages.filter(({ role }) => role === 'tool').map(({ content }) => JSON.stringify(content))
        return { results: results.join(), titles: facts.map(({ title }) => title), ids: facts.map(({ id }) => id) }
      }, turns)
    const recall = [{ toolCalls: [{ name: 'recall', input: { query: 'name of the user' } }] }, 'Good.']
    await openDesk(blank, 'memory')
    await use([{ toolCalls: [{ name: 'remember', input: { fact: 'The name of the user is Ingrid.' } }] }, 'Good.'])
    await blank.reload()
    await openDesk(blank, 'memory')
    const second = await use(recall)
    expect(second.results).toContain('The name of the user is Ingrid.')
    expect(second.titles).toEqual(['The name of the user is Ingrid.'])
    await blank.evaluate(async (id) => {
      const memory = await desk.alcove.corpus('memory', { vectors: 'background' })
      await memory.remove(id ?? '')
    }, second.ids[0])
    expect((await use(recall)).results).not.toContain('Ingrid')
  })
})
