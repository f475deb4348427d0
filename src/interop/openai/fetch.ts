import { toApiError } from './errors.js'
import { refuse } from './messages.js'
import type { ChatCompletionParams, ChunkStream, EmbeddingParams } from './types.js'

/** What the requests are answered by. */
export interface Endpoints {
  createChat(params: ChatCompletionParams, options: { readonly signal: AbortSignal }): Promise<object>
  createEmbeddings(params: EmbeddingParams, options: { readonly signal: AbortSignal }): Promise<object>
  listModels(): Promise<{ readonly data: readonly unknown[] }>
}

/** Like `fetch`, for a client of the OpenAI API: no request leaves the page. */
export type LocalFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

/** Errors of a device do not go away by asking again at once. */
const HEADERS = { 'x-should-retry': 'false' }

export function createLocalFetch(endpoints: Endpoints): LocalFetch {
  return async (input, init) => {
    const request = new Request(input instanceof Request ? input : new URL(input, 'https://device.invalid'), init)
    try {
      return await answer(endpoints, request)
    } catch (error) {
      // As `fetch` does it: clients look for this name.
      if (request.signal.aborted) throw new DOMException('The request was aborted.', 'AbortError')
      const { error: body, status = 500 } = toApiError(error)
      return Response.json({ error: body }, { status, headers: HEADERS })
    }
  }
}

async function answer(endpoints: Endpoints, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url)
  const { signal } = request
  const route = `${request.method} ${pathname}`
  if (/^GET .*\/models$/.test(route)) {
    const { data } = await endpoints.listModels()
    return Response.json({ object: 'list', data })
  }
  if (/^POST .*\/chat\/completions$/.test(route)) {
    const result = await endpoints.createChat(await readBody(request), { signal })
    return 'controller' in result ? streamEvents(result as ChunkStream) : Response.json(result)
  }
  if (/^POST .*\/embeddings$/.test(route)) {
    return Response.json(await endpoints.createEmbeddings(await readBody(request), { signal }))
  }
  const message = `${route} is not served on a device: there are chat/completions, embeddings and models.`
  const error = { message, type: 'invalid_request_error', code: 'not-found', param: null }
  return Response.json({ error }, { status: 404, headers: HEADERS })
}

async function readBody<Params extends object>(request: Request): Promise<Params> {
  const body: unknown = await request.json().catch(() => undefined)
  if (typeof body === 'object' && body !== null) return body as Params
  return refuse('body', 'expected a JSON object')
}

/** Chunks as server-sent events. An error is an event too, since the status is out by then. */
function streamEvents(chunks: ChunkStream): Response {
  const encoder = new TextEncoder()
  const iterator = chunks[Symbol.asyncIterator]()
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const event = (data: string) => controller.enqueue(encoder.encode(`data: ${data}\n\n`))
        try {
          const { done, value } = await iterator.next()
          event(done ? '[DONE]' : JSON.stringify(value))
          if (done) controller.close()
        } catch (error) {
          event(JSON.stringify({ error: toApiError(error).error }))
          controller.close()
        }
      },
      cancel: () => chunks.controller.abort(),
    },
    { highWaterMark: 0 },
  )
  return new Response(body, { headers: { 'content-type': 'text/event-stream', ...HEADERS } })
}
