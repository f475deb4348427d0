import type { ConversationTemplate } from '../../../src/engines/web-llm/prompt.js'

/** An empty WebAssembly module. */
export const EMPTY_LIBRARY = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])

/** The template of ChatML models. */
export const CHATML: ConversationTemplate = {
  system_template: '<|im_start|>system\n{system_message}<|im_end|>\n',
  system_message: 'You are a helper.',
  roles: { user: '<|im_start|>user', assistant: '<|im_start|>assistant', tool: '<|im_start|>tool' },
  role_templates: { user: '{user_message}', assistant: '{assistant_message}', tool: '{tool_message}' },
  seps: ['<|im_end|>\n'],
  role_content_sep: '\n',
  role_empty_sep: '\n',
}

type SiteFile = string | Uint8Array | number | (() => Response | Promise<Response>)

/** Files of a small model in WebLLM's layout, by name. */
export const MODEL_FILES: Readonly<Record<string, SiteFile>> = {
  'mlc-chat-config.json': '{"context_window_size":512,"tokenizer_files":["tokenizer.json","vocab.json"]}',
  'tensor-cache.json':
    '{"records":[{"dataPath":"params_shard_0.bin","nbytes":5,"md5sum":"5d41402abc4b2a76b9719d911017c592"},{"dataPath":"params_shard_1.bin","nbytes":3}]}',
  'tokenizer.json': '{"model":{}}',
  'params_shard_0.bin': 'hello',
  'params_shard_1.bin': 'abc',
  wasm: EMPTY_LIBRARY,
}

/**
 * A network that has these files under every address that `isThere` allows, by their last name; all libraries are `wasm`. A number is
 * a status.
 */
export function webLlmSite(files: Readonly<Record<string, SiteFile>> = {}, isThere = (_url: string) => true) {
  const all = { ...MODEL_FILES, ...files }
  const asked: string[] = []
  const fetch = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    init.signal?.throwIfAborted()
    const url = String(input)
    asked.push(init.method === 'HEAD' ? `HEAD ${url}` : url)
    const name = url.slice(url.lastIndexOf('/') + 1)
    const file = (isThere(url) ? all[name.endsWith('.wasm') ? 'wasm' : name] : 404) ?? 404
    if (typeof file === 'function') return file()
    if (typeof file === 'number') return new Response('no', { status: file })
    const bytes = typeof file === 'string' ? new TextEncoder().encode(file) : file
    const headers = { 'content-length': String(bytes.byteLength) }
    return new Response(init.method === 'HEAD' ? null : (bytes as Uint8Array<ArrayBuffer>), { headers })
  }
  return { fetch: fetch as typeof globalThis.fetch, asked }
}
