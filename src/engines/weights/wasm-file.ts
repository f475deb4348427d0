/** What is at the address of a WebAssembly module: `missing` with the status that the server gave. */
export type WasmFile = { readonly state: 'wasm' | 'other' } | { readonly state: 'missing'; readonly status: number }

const MAGIC = [0, 0x61, 0x73, 0x6d]

/** Looks at the first bytes of a file only. Rejects as `fetch` does. */
export async function probeWasm(url: string, signal?: AbortSignal): Promise<WasmFile> {
  const response = await fetch(url, { headers: { range: 'bytes=0-3' }, signal: signal ?? null })
  const reader = response.body?.getReader()
  const first = (await reader?.read())?.value
  await reader?.cancel()
  if (!response.ok) return { state: 'missing', status: response.status }
  return { state: MAGIC.every((byte, index) => first?.[index] === byte) ? 'wasm' : 'other' }
}
