import { expect, models, origins, test } from './setup.js'

test.describe('the script build from another origin', () => {
  test('is one tag: names are there at once, workers start through a Blob, a document is answered from', async ({
    page,
  }) => {
    const { guest, elsewhere } = origins()
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(error.message))
    await page.goto(new URL('/blank.html', guest).href)
    await page.addScriptTag({ url: `${elsewhere}dist/alcove.iife.js` })
    expect(errors).toEqual([])
    const names = await page.evaluate(() => Object.keys((window as unknown as { Alcove: object }).Alcove))
    expect(names).toEqual(
      expect.arrayContaining(['createAlcove', 'createAgent', 'tool', 'isAlcoveError', 'AlcoveError']),
    )
    const result = await page.evaluate(
      async ({ base, embedder }) => {
        const { createAlcove } = (window as unknown as { Alcove: typeof import('alcove') }).Alcove
        const alcove = createAlcove({
          model: 'extractive',
          modelBaseUrl: `${base}models/`,
          ...(embedder ? { embedder } : { maxDownloadBytes: 0 }),
        })
        const corpus = await alcove.corpus('tag')
        await corpus.add({
          title: 'note',
          mediaType: 'text/markdown',
          text: '# Tower\n\nThe tower clock was made by Pia Holm in 1888.',
        })
        const answer = await alcove.agent({ corpus }).generate('Who made the tower clock?')
        const stats = await corpus.stats()
        const health = await alcove.health()
        await alcove.close()
        return { answer, stats, health }
      },
      { base: elsewhere, embedder: models.embedding },
    )
    expect(result.answer.text).toContain('Pia Holm')
    expect(result.answer.citations[0]).toMatchObject({ verified: true, source: { title: 'note', headings: ['Tower'] } })
    if (models.embedding) expect(result.stats).toMatchObject({ embedder: models.embedding, pendingVectors: 0 })
    expect(result.health.workers.retrieval).toEqual({ state: 'ready', restarts: 0 })
    const urls = page.workers().map((worker) => worker.url())
    expect(urls.every((url) => url.startsWith('blob:'))).toBe(true)
    expect(errors).toEqual([])
  })
})
