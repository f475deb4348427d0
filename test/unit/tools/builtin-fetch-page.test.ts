import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fetchPageTool } from '../../../src/tool-fetch-page.js'
import type { AllowedPage } from '../../../src/tools/builtin/fetch-page.js'

let server: Server
let site = ''
const requests: { url: string; headers: Record<string, unknown> }[] = []

/** What the server answers, by path: headers, status, body; a body of undefined never ends. */
const PAGES: Record<string, readonly [status: number, headers: Record<string, string>, body: string | undefined]> = {
  '/page': [
    200,
    { 'content-type': 'text/html; charset=utf-8' },
    `<title>A page</title><nav>Menu</nav><main><h1>Head</h1><p>Körper ${'of the page '.repeat(30)}</p></main><script>x</script>`,
  ],
  '/plain': [200, { 'content-type': 'text/plain' }, '0123456789'],
  '/latin': [200, { 'content-type': 'text/plain; charset=iso-8859-1' }, 'x'],
  '/away': [302, { location: 'http://elsewhere.example/leak' }, ''],
  '/missing': [404, { 'content-type': 'text/plain' }, 'no'],
  '/picture': [200, { 'content-type': 'image/png' }, 'PNG'],
  '/typeless': [200, {}, 'x'],
  '/huge': [200, { 'content-type': 'text/plain' }, 'x'.repeat(5000)],
  '/slow': [200, { 'content-type': 'text/plain' }, undefined],
  '/liar': [200, { 'content-type': 'text/plain', 'content-length': '100' }, 'short'],
}

beforeAll(async () => {
  server = createServer((request, response) => {
    requests.push({ url: request.url ?? '', headers: request.headers })
    const [status, headers, body] = PAGES[new URL(request.url ?? '/', 'http://x').pathname] ?? [500, {}, '']
    response.writeHead(status, headers)
    if (body === undefined) response.write('begin')
    else if (headers['content-length'] !== undefined) response.write(body, () => response.destroy())
    else response.end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  site = `http://127.0.0.1:${(server.address() as { port: number }).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const context = () => ({ signal: new AbortController().signal, callId: '1', report: () => {} })
const get = (path: string, options: object = {}, from?: number) =>
  fetchPageTool({ allow: [site], maxBytes: 1000, timeoutMs: 300, ...options }).execute(
    { url: `${site}${path}`, ...(from === undefined ? {} : { from }) },
    context(),
  )

describe('fetchPageTool', () => {
  it('gives the main text of a page, in pieces', async () => {
    expect(await get('/page#part')).toEqual({
      url: `${site}/page`,
      title: 'A page',
      text: expect.stringContaining('Körper'),
    })
    expect(JSON.stringify(await get('/page'))).not.toMatch(/Menu|script/)
    expect(await get('/plain', { maxCharacters: 4 })).toMatchObject({ text: '0123', continuesFrom: 4, characters: 10 })
    expect(await get('/plain', { maxCharacters: 4 }, 8)).toEqual({ url: `${site}/plain`, text: '89' })
  })

  it('sends no credentials and no referrer, and asks for approval unless told otherwise', async () => {
    requests.length = 0
    await get('/plain')
    expect(requests[0]?.headers).not.toHaveProperty('cookie')
    expect(requests[0]?.headers).not.toHaveProperty('referer')
    expect(fetchPageTool({ allow: [site] }).needsApproval({})).toBe(true)
    expect(fetchPageTool({ allow: [site], needsApproval: false }).needsApproval({})).toBe(false)
  })

  it.each([
    ['/away', /redirects to another address, which is not followed/],
    ['/missing', /answered with status 404/],
    ['/picture', /Expected a page of text, got 'image\/png'/],
    ['/typeless', /got 'no type'/],
    ['/huge', /more than 1000 bytes/],
    ['/slow', /Not done within 300 ms/],
    ['/liar', /ended before the page was whole/],
  ])('%s is refused, with the reason', async (path, reason) => {
    await expect(get(path)).rejects.toThrow(reason)
  })

  it('never asks an address that is not allowed', async () => {
    requests.length = 0
    const tool = fetchPageTool({ allow: ['https://example.com/docs/*'] })
    const urls = [
      `${site}/plain`,
      'https://example.com.evil.test/docs/',
      'https://example.com/docs/../secret',
      'file:///etc/passwd',
    ]
    for (const url of [
      ...urls,
      'https://user:word@example.com/docs/',
      'javascript:1',
      'docs',
      'http://example.com/docs/',
    ]) {
      await expect(tool.execute({ url }, context()), url).rejects.toThrow(/may not be fetched|Expected a/)
    }
    expect(requests).toEqual([])
  })

  it.each<[AllowedPage, string, boolean]>([
    ['https://example.com', 'https://example.com/any/thing?q=1', true],
    ['https://example.com', 'https://www.example.com/', false],
    ['https://example.com', 'https://example.com:8443/', false],
    ['https://*.example.com', 'https://www.example.com/', true],
    ['https://*.example.com', 'https://example.com/', false],
    ['https://*.example.com', 'https://notexample.com/', false],
    ['https://example.com/docs/*', 'https://example.com/docs/%2e%2e/x', false],
    ['https://example.com/docs/*', 'https://example.com/docs/a', true],
    ['https://example.com/one', 'https://example.com/one?page=2', true],
    ['https://example.com/one', 'https://example.com/one/two', false],
    [({ hostname }) => hostname === 'a.test', 'https://a.test/', true],
  ])('allow %s and %s: %s', async (allow, url, isAllowed) => {
    const asked: string[] = []
    const fetch = async (address: unknown) => {
      asked.push(String(address))
      return new Response('fine', { headers: { 'content-type': 'text/plain' } })
    }
    const done = fetchPageTool({ allow: [allow], fetch }).execute({ url }, context())
    if (isAllowed) expect(await done).toMatchObject({ text: 'fine' })
    else await expect(done).rejects.toMatchObject({ code: 'permission-denied' })
    expect(asked.length).toBe(isAllowed ? 1 : 0)
  })

  it.each([[[]], [['example.com']], [['https://*']], [['https://a.*.com']], [['*']], [['ftp://a.test']]])(
    'allow %j is refused',
    (allow) => {
      expect(() => fetchPageTool({ allow })).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    },
  )

  it('says plainly what a browser does not', async () => {
    const fetch = async () => Promise.reject(new TypeError('Failed to fetch'))
    const done = fetchPageTool({ allow: ['https://example.com'], fetch }).execute(
      { url: 'https://example.com/' },
      context(),
    )
    await expect(done).rejects.toThrow(
      /refused to read https:\/\/example\.com: it does not allow other sites to read it \(CORS\)/,
    )
  })
})
