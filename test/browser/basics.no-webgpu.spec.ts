import { expect, models, test } from './setup.js'

const NOTE = {
  title: 'Boats',
  mediaType: 'text/markdown',
  text: '# Boats\n\nThe rowing boat was built in 1931 by Ingrid Larsen.\n\nIt is repainted every second year.',
}

test.describe('a browser without WebGPU', () => {
  test('the report names what was chosen, and why each better model was not', async ({ blank }) => {
    const report = await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ maxDownloadBytes: 0, allowRemoteModels: false, storage: { name: 'ladder' } })
      const found = await alcove.load()
      const availability = await alcove.availability()
      const listed = await alcove.models.list()
      await alcove.close()
      return { ...found, availability, listed }
    })
    expect(report.device).toMatchObject({ webgpu: 'none', shaderF16: false, maxBufferBytes: 0 })
    expect(report.chosen).toEqual({
      chat: 'extractive',
      documents: 'extractive',
      tools: 'extractive',
      embedding: null,
    })
    const codes = new Map(report.refused.map(({ model, code }) => [model, code]))
    const webllm = [...codes].filter(([model]) => model.startsWith('webllm:'))
    expect(webllm.length).toBeGreaterThan(2)
    for (const [model, code] of webllm) expect(code, model).toBe('webgpu-unavailable')
    for (const { model, code } of report.refused.filter((row) => !row.model.startsWith('webllm:'))) {
      // Some of transformers.js need a graphics card too.
      expect(code, model).toMatch(/^(download-refused|model-not-found|out-of-memory|webgpu-unavailable)$/)
    }
    for (const { model, reason } of report.refused) expect(reason.length, model).toBeGreaterThan(20)
    expect(report.availability).toBe('available')
    for (const { id, state } of report.listed.filter((row) => row.id.startsWith('webllm:'))) {
      expect(state, id).toBe('unavailable')
    }
  })

  test('documents are answered from with quotes', async ({ blank }) => {
    const result = await blank.evaluate(async (note) => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ maxDownloadBytes: 0, allowRemoteModels: false, storage: { name: 'quotes' } })
      const corpus = await alcove.corpus('boats')
      const added = await corpus.add(note)
      const answer = await alcove.agent({ corpus }).generate('Who built the rowing boat?')
      const [citation] = answer.citations
      const stored = citation && (await corpus.get(citation.source.id))
      await alcove.close()
      return { added, answer, citation, cut: citation && stored?.text.slice(...citation.span) }
    }, NOTE)
    expect(result.added).toMatchObject({ added: 1, failed: [] })
    expect(result.answer.text).toContain('Ingrid Larsen')
    expect(result.answer.usage.modelId).toBe('extractive')
    expect(result.citation).toMatchObject({ verified: true, source: { title: 'Boats', headings: ['Boats'] } })
    expect(result.cut).toBe(result.citation?.quote)
  })

  test('a model runs on WebAssembly, and one for WebGPU is refused by name', async ({ blank }) => {
    const model = models.story ?? models.gguf
    test.skip(!model, 'needs a small chat model')
    const result = await blank.evaluate(async (id) => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ model: id, allowRemoteModels: false, storage: { name: 'wasm' } })
      const agent = alcove.agent({ sampling: { temperature: 0, maxTokens: 12 } })
      const answer = await agent.generate('Once upon a time')
      const listed = await alcove.models.list()
      await alcove.close()
      const other = createAlcove({ model: 'webllm:Qwen2.5-0.5B-Instruct-q4f32_1-MLC', storage: { name: 'gpu' } })
      const refused = await other
        .agent()
        .generate('hello')
        .then(
          () => 'answered',
          (error: { code: string }) => error.code,
        )
      await other.close()
      return { answer, own: listed.find((row) => row.id === id), refused }
    }, model as string)
    expect(result.answer.text.length).toBeGreaterThan(10)
    expect(result.answer.usage).toMatchObject({ completionTokens: 12, modelId: model })
    expect(result.answer.finish.reason).toBe('length')
    expect(result.own).toMatchObject({ runsOn: 'wasm', loaded: true })
    expect(result.refused).toBe('webgpu-unavailable')
  })

  test('vectors are made on WebAssembly', async ({ blank }) => {
    test.skip(!models.embedding, 'needs the small embedding model')
    const result = await blank.evaluate(
      async ([embedder, note]) => {
        const { createAlcove } = await import('/dist/index.js')
        const alcove = createAlcove({ model: 'extractive', embedder, storage: { name: 'vectors' } })
        const corpus = await alcove.corpus('boats')
        await corpus.add(note)
        const hits = await corpus.search('Which vessel is painted again?', { mode: 'vector' })
        const stats = await corpus.stats()
        await alcove.close()
        return { hits, stats }
      },
      [models.embedding as string, NOTE] as const,
    )
    expect(result.stats).toMatchObject({ embedder: models.embedding, dimensions: 384, pendingVectors: 0 })
    expect(result.hits[0]).toMatchObject({ source: { title: 'Boats' }, ranks: { vector: 1 } })
  })
})
