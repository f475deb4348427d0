import { expect, models, test } from './setup.js'

test.describe('the official OpenAI client over a model of this page', () => {
  test('completes, streams, runs tools, embeds, lists and fails as with its own server', async ({ blank }) => {
    const requests: string[] = []
    blank.on('request', (request) => requests.push(request.url()))
    const result = await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const { createOpenAI } = await import('/dist/openai.js')
      const { scriptedModel, hashEmbedder } = await import('/dist/testing.js')
      const { OpenAI } = (await import('/pages/interop.js')).packages
      const model = scriptedModel(
        [
          { text: 'Four.' },
          { text: 'One two three.' },
          { toolCalls: [{ name: 'weather', input: { city: 'Rome' } }] },
          { text: 'Sunny in Rome.' },
          { text: '{"city":"Rome"}' },
          { text: 'word '.repeat(2000) },
        ],
        { chunkSize: 4, delayMs: 1 },
      )
      const alcove = createAlcove({ model, embedder: hashEmbedder({ dimensions: 16 }), storage: { name: 'openai' } })
      const local = createOpenAI(alcove)
      const openai = new OpenAI({
        apiKey: 'none',
        baseURL: 'https://device.invalid/v1',
        dangerouslyAllowBrowser: true,
        fetch: local.fetch,
      })
      const messages = [{ role: 'user' as const, content: 'Two and two?' }]
      const whole = await openai.chat.completions.create({ model: 'auto', messages })
      const deltas: string[] = []
      const stream = await openai.chat.completions.create({ model: 'auto', messages, stream: true })
      for await (const chunk of stream) deltas.push(chunk.choices[0]?.delta.content ?? '')
      const asked: unknown[] = []
      const runner = openai.chat.completions.runTools({
        model: 'auto',
        messages,
        stream: true,
        tools: [
          {
            type: 'function',
            function: {
              name: 'weather',
              description: 'The weather',
              parameters: { type: 'object', properties: { city: { type: 'string' } } },
              parse: JSON.parse,
              function: (input: object) => {
                asked.push(input)
                return 'sunny'
              },
            },
          },
        ],
      })
      const final = await runner.finalContent()
      const parsed = await openai.chat.completions.parse({
        model: 'auto',
        messages,
        response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' } } },
      })
      const embedded = await openai.embeddings.create({ model: 'auto', input: ['a', 'b'] })
      const direct = await local.embeddings.create({ model: 'hash', input: 'a' })
      const listed: string[] = []
      for await (const { id } of openai.models.list()) listed.push(id)
      const refused = await openai.chat.completions.create({ model: 'auto', messages, n: 2 }).catch((error) => error)
      const stopped = await openai.chat.completions.create({ model: 'auto', messages, stream: true })
      let seen = 0
      for await (const _ of stopped) if (++seen === 5) break
      await alcove.close()
      return {
        whole: [whole.choices[0]?.message.content, whole.model, whole.choices[0]?.finish_reason],
        text: deltas.join(''),
        pieces: deltas.length,
        asked,
        final,
        parsed: parsed.choices[0]?.message.parsed,
        embedded: embedded.data.map(({ embedding }) => embedding.length),
        isSame: JSON.stringify(embedded.data[0]?.embedding) === JSON.stringify(direct.data[0]?.embedding),
        listed,
        refused: { status: refused.status, code: refused.code, isOwn: refused instanceof OpenAI.BadRequestError },
        requests: model.requests.length,
      }
    })
    expect(result).toMatchObject({
      whole: ['Four.', 'scripted', 'stop'],
      text: 'One two three.',
      asked: [{ city: 'Rome' }],
      final: 'Sunny in Rome.',
      parsed: { city: 'Rome' },
      embedded: [16, 16],
      isSame: true,
      refused: { status: 400, code: 'invalid-argument', isOwn: true },
      requests: 6,
    })
    expect(result.pieces).toBeGreaterThan(3)
    expect(result.listed).toContain('extractive')
    expect(requests.filter((url) => url.includes('device.invalid'))).toEqual([])
  })

  test('a small real model is held to tools and forms, and its embeddings are the worker’s', async ({ blank }) => {
    test.skip(!models.chat || !models.embedding, 'needs the small chat and embedding models')
    const result = await blank.evaluate(
      async ({ model, embedder }) => {
        const { createAlcove } = await import('/dist/index.js')
        const { createOpenAI } = await import('/dist/openai.js')
        const alcove = createAlcove({ model, embedder, storage: { name: 'openai-real' }, cache: false })
        const { chat, embeddings } = createOpenAI(alcove)
        const messages = [{ role: 'user' as const, content: 'How is the weather in Paris?' }]
        const city = { type: 'string', maxLength: 12 }
        const parameters = { type: 'object', properties: { city }, required: ['city'], additionalProperties: false }
        const called = await chat.completions.create({
          model: 'auto',
          messages,
          tools: [
            { type: 'function', function: { name: 'get_weather', description: 'Weather of a city', parameters } },
          ],
          tool_choice: 'required',
          parallel_tool_calls: false,
          temperature: 0,
          max_tokens: 60,
        })
        let text = ''
        const stream = await chat.completions.create({
          model,
          messages,
          response_format: { type: 'json_schema', json_schema: { name: 'place', schema: parameters } },
          stream: true,
          temperature: 0,
          max_tokens: 60,
        })
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
        const cut = await chat.completions.create({ model: 'auto', messages, max_tokens: 3, temperature: 0 })
        const input = ['The cat sleeps.', 'A kitten is asleep.', 'Interest rates rose.']
        const { data, usage } = await embeddings.create({ model: 'auto', input })
        const vectors = data.map(({ embedding }) => embedding)
        const dot = (a: number[] = [], b: number[] = []) => a.reduce((sum, x, at) => sum + x * (b[at] ?? 0), 0)
        await alcove.close()
        return {
          calls: called.choices[0]?.message.tool_calls,
          reason: called.choices[0]?.finish_reason,
          text,
          cut: [cut.choices[0]?.finish_reason, cut.usage.completion_tokens],
          near: dot(vectors[0], vectors[1]),
          far: dot(vectors[0], vectors[2]),
          length: dot(vectors[0], vectors[0]),
          tokens: usage.prompt_tokens,
        }
      },
      { model: models.chat as string, embedder: models.embedding as string },
    )
    expect(result.reason).toBe('tool_calls')
    expect(result.calls).toHaveLength(1)
    expect(result.calls?.[0]?.function.name).toBe('get_weather')
    expect(JSON.parse(result.calls?.[0]?.function.arguments ?? '')).toEqual({ city: expect.any(String) })
    expect(JSON.parse(result.text)).toEqual({ city: expect.any(String) })
    expect(result.cut).toEqual(['length', 3])
    expect(result.length).toBeCloseTo(1, 3)
    expect(result.near).toBeGreaterThan(result.far + 0.2)
    expect(result.tokens).toBeGreaterThan(8)
  })
})

test.describe('the AI SDK over a model of this page', () => {
  test('generates, streams with tools in steps, makes objects, embeds and aborts', async ({ blank }) => {
    const result = await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const { createEmbeddingModel, createLanguageModel } = await import('/dist/ai-sdk.js')
      const { scriptedModel, hashEmbedder } = await import('/dist/testing.js')
      const sdk = (await import('/pages/interop.js')).packages
      const scripted = scriptedModel(
        [
          { reasoning: 'Easy.', text: 'Four.' },
          { text: 'I look.', toolCalls: [{ name: 'weather', input: { city: 'Rome' } }] },
          { text: 'It is sunny in Rome.' },
          { text: 'Here: {"city": "Rome", "degrees": 21}' },
          { text: '{"city": "Bari", "degrees": 30} There.' },
          { text: 'word '.repeat(3000) },
        ],
        { chunkSize: 6, delayMs: 1 },
      )
      const alcove = createAlcove({
        model: scripted,
        embedder: hashEmbedder({ dimensions: 16 }),
        storage: { name: 'ai-sdk' },
      })
      const model = createLanguageModel(alcove)
      const generated = await sdk.generateText({ model, prompt: 'Two and two?', temperature: 0, topK: 5 })
      const place = sdk.jsonSchema<{ city: string; degrees: number }>({
        type: 'object',
        properties: { city: { type: 'string' }, degrees: { type: 'number' } },
        required: ['city', 'degrees'],
      })
      const asked: unknown[] = []
      const streamed = sdk.streamText({
        model,
        prompt: 'How is Rome?',
        stopWhen: sdk.stepCountIs(5),
        tools: {
          weather: sdk.tool({
            description: 'The weather',
            inputSchema: sdk.jsonSchema<{ city: string }>({ type: 'object', properties: { city: { type: 'string' } } }),
            execute: async (input) => {
              asked.push(input)
              return { sky: 'clear' }
            },
          }),
        },
      })
      let text = ''
      for await (const delta of streamed.textStream) text += delta
      const steps = await streamed.steps
      const { object } = await sdk.generateObject({ model, schema: place, prompt: 'A place?' })
      const partial: unknown[] = []
      const objects = sdk.streamText({ model, output: sdk.Output.object({ schema: place }), prompt: 'Another?' })
      for await (const part of objects.partialOutputStream) partial.push(part)
      const values = ['a', 'b', 'c']
      const { embeddings, usage } = await sdk.embedMany({ model: createEmbeddingModel(alcove), values })
      const own = new AbortController()
      const long = sdk.streamText({ model, prompt: 'Go on.', abortSignal: own.signal, onError: () => {} })
      let deltas = 0
      const kinds = new Set<string>()
      for await (const part of long.fullStream) {
        kinds.add(part.type)
        if (part.type === 'text-delta' && ++deltas === 5) own.abort()
      }
      await alcove.close()
      return {
        generated: [generated.text, generated.reasoningText, generated.finishReason, generated.response.modelId],
        usage: generated.usage.totalTokens,
        text,
        asked,
        steps: steps.map(({ finishReason, toolCalls }) => [finishReason, toolCalls.length]),
        shown: scripted.requests[2]?.messages.at(-1),
        object,
        partial,
        embeddings: embeddings.map(({ length }) => length),
        tokens: usage.tokens,
        deltas,
        kinds: [...kinds],
      }
    })
    expect(result).toMatchObject({
      generated: ['Four.', 'Easy.', 'stop', 'scripted'],
      text: 'I look.It is sunny in Rome.',
      asked: [{ city: 'Rome' }],
      steps: [
        ['tool-calls', 1],
        ['stop', 0],
      ],
      shown: { role: 'tool', content: [{ type: 'tool-result', name: 'weather', output: { sky: 'clear' } }] },
      object: { city: 'Rome', degrees: 21 },
      embeddings: [16, 16, 16],
      tokens: 3,
    })
    expect(result.usage).toBeGreaterThan(0)
    expect(result.partial.length).toBeGreaterThan(2)
    expect(result.partial.at(-1)).toEqual({ city: 'Bari', degrees: 30 })
    expect(result.deltas).toBeLessThan(10)
    expect(result.kinds).toContain('abort')
  })

  test('a small real model makes an object that fits', async ({ blank }) => {
    test.skip(!models.chat, 'needs a small chat model')
    const object = await blank.evaluate(async (id) => {
      const { createAlcove } = await import('/dist/index.js')
      const { createLanguageModel } = await import('/dist/ai-sdk.js')
      const { generateObject, jsonSchema } = (await import('/pages/interop.js')).packages
      const alcove = createAlcove({ model: id, storage: { name: 'ai-sdk-real' }, cache: false })
      const made = await generateObject({
        model: createLanguageModel(alcove),
        schema: jsonSchema({
          type: 'object',
          properties: { name: { type: 'string', maxLength: 12 }, age: { type: 'integer', minimum: 1, maximum: 99 } },
          required: ['name', 'age'],
          additionalProperties: false,
        }),
        prompt: 'Describe a person.',
        temperature: 0,
        maxOutputTokens: 60,
      })
      await alcove.close()
      return made.object
    }, models.chat as string)
    expect(object).toEqual({ name: expect.any(String), age: expect.any(Number) })
  })
})

test('the client gives its embedding model, or says why there is none', async ({ blank }) => {
  test.skip(!models.embedding, 'needs the small embedding model')
  const result = await blank.evaluate(async (embedder) => {
    const { createAlcove } = await import('/dist/index.js')
    const { hashEmbedder } = await import('/dist/testing.js')
    const give = async (options: Parameters<typeof createAlcove>[0]) => {
      const alcove = createAlcove({ storage: { name: 'embedder' }, ...options })
      try {
        const model = await alcove.embeddingModel()
        const aborted = await model.embed(['x'], { signal: AbortSignal.abort() }).catch((error) => error.code)
        const texts = Array.from({ length: 40 }, (_, at) => `text ${at % 20}`)
        const vectors = await model.embed(texts, { purpose: 'query' })
        const counts = await model.countTokens?.(['one two three'])
        const isOrdered = vectors
          .slice(0, 20)
          .every((own, at) => own.every((x, i) => Math.abs(x - (vectors[at + 20]?.[i] ?? 9)) < 0.05))
        return { id: model.id, dimensions: model.dimensions, sizes: vectors[39]?.length, isOrdered, counts, aborted }
      } catch (error) {
        return (error as { code: string }).code
      } finally {
        await alcove.close()
      }
    }
    return {
      worker: await give({ embedder }),
      own: await give({ embedder: hashEmbedder({ dimensions: 8 }) }),
      refused: await give({ embedder: 'transformers:Xenova/no-such-model', allowRemoteModels: false }),
      none: await give({ modelBaseUrl: '/nowhere/', allowRemoteModels: false, storage: { name: 'empty' } }),
    }
  }, models.embedding as string)
  expect(result).toEqual({
    worker: {
      id: models.embedding,
      dimensions: 384,
      sizes: 384,
      isOrdered: true,
      counts: [expect.any(Number)],
      aborted: 'aborted',
    },
    own: { id: 'hash', dimensions: 8, sizes: 8, isOrdered: true, counts: [3], aborted: 'aborted' },
    refused: 'model-not-found',
    none: 'model-not-found',
  })
})

test.describe('useChat with an agent of this page', () => {
  test('shows an answer with tools and sources, asks for approval, and stops', async ({ blank }) => {
    await blank.evaluate(async () => {
      const { createAlcove, tool } = await import('/dist/index.js')
      const { createChatTransport } = await import('/dist/ai-sdk.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const { createElement, createRoot, lastAssistantMessageIsCompleteWithApprovalResponses, useChat, useState } = (
        await import('/pages/interop.js')
      ).packages
      const model = scriptedModel(
        [
          { text: 'I check.', toolCalls: [{ name: 'delete_file', input: { path: 'a.txt' } }] },
          { text: 'The boat was built by Ingrid Larsen.' },
          { text: 'word '.repeat(3000) },
          { text: 'Done again.' },
        ],
        { chunkSize: 6, delayMs: 1 },
      )
      const alcove = createAlcove({ model, embedder: 'auto', maxDownloadBytes: 0, storage: { name: 'use-chat' } })
      const corpus = await alcove.corpus('handbook')
      await corpus.add({
        title: 'Handbook',
        url: 'https://example.org/h',
        text: 'The boat was built by Ingrid Larsen.',
      })
      const made: unknown[] = []
      const remove = tool({
        name: 'delete_file',
        description: 'Deletes a file',
        input: { type: 'object', properties: { path: { type: 'string' } } },
        needsApproval: true,
        execute: (input) => {
          made.push(input)
          return 'deleted'
        },
      })
      const transport = createChatTransport(alcove.agent({ corpus, tools: [remove] }))
      type Part = { type: string; text?: string; url?: string; state?: string; approval?: { id: string } }

      function Page() {
        const { messages, sendMessage, regenerate, addToolApprovalResponse, status, stop } = useChat({
          transport,
          sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
        })
        const [question, setQuestion] = useState('')
        const view = (part: Part, key: number) => {
          if (part.type === 'text') return createElement('span', { key, className: 'text' }, part.text)
          if (part.type === 'source-url') return createElement('a', { key, href: part.url }, part.url)
          if (part.state === undefined) return null
          const id = part.approval?.id ?? ''
          const approve = () => addToolApprovalResponse({ id, approved: true })
          return createElement('button', { key, className: 'call', onClick: approve }, part.state)
        }
        return createElement(
          'main',
          null,
          createElement('output', { id: 'status' }, status),
          ...messages.map(({ id, role, parts }) =>
            createElement('article', { key: id, className: role }, ...(parts as Part[]).map(view)),
          ),
          createElement('input', {
            'aria-label': 'question',
            value: question,
            onChange: (event: { target: { value: string } }) => setQuestion(event.target.value),
          }),
          createElement('button', { onClick: () => sendMessage({ text: question }) }, 'Send'),
          createElement('button', { onClick: () => stop() }, 'Stop'),
          createElement('button', { onClick: () => regenerate() }, 'Again'),
        )
      }
      const host = document.body.appendChild(document.createElement('div'))
      createRoot(host).render(createElement(Page))
      Object.assign(window, { made, reconnect: await transport.reconnectToStream(), asked: model.requests })
    })
    const status = blank.locator('#status')
    await blank.getByLabel('question').fill('Who built the boat?')
    await blank.getByRole('button', { name: 'Send' }).click()
    await expect(blank.locator('.call')).toHaveText('approval-requested')
    await expect(status).toHaveText('ready')
    expect(await blank.evaluate(() => (window as never as { made: unknown[] }).made)).toEqual([])
    await blank.locator('.call').click()
    await expect(blank.locator('.call')).toHaveText('output-available')
    await expect(status).toHaveText('ready')
    await expect(blank.locator('article.assistant')).toHaveCount(1)
    await expect(blank.locator('.text').last()).toContainText('Ingrid Larsen')
    await expect(blank.locator('article a').first()).toHaveAttribute('href', 'https://example.org/h')
    expect(await blank.evaluate(() => (window as never as { made: unknown[] }).made)).toEqual([{ path: 'a.txt' }])
    expect(await blank.evaluate(() => (window as never as { reconnect: unknown }).reconnect)).toBeNull()

    await blank.getByLabel('question').fill('Tell a story.')
    await blank.getByRole('button', { name: 'Send' }).click()
    await expect(blank.locator('article.assistant').nth(1)).toContainText('word word')
    await blank.getByRole('button', { name: 'Stop' }).click()
    await expect(status).toHaveText('ready')
    expect((await blank.locator('article.assistant').nth(1).textContent())?.length).toBeLessThan(15_000)
    await blank.getByRole('button', { name: 'Again' }).click()
    await expect(blank.locator('article.assistant').nth(1)).toContainText('Done again.')
    const last = await blank.evaluate(() => (window as never as { asked: { messages: unknown[] }[] }).asked.at(-1))
    expect(JSON.stringify(last?.messages)).toContain('"output":"deleted"')
  })
})
