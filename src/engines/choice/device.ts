/** What this device offers to models. Sizes in bytes. */
export interface DeviceProfile {
  /** `software`: an adapter that computes on the CPU, far too slow for a chat model. */
  readonly webgpu: 'none' | 'software' | 'hardware'
  readonly shaderF16: boolean
  /** Largest GPU buffer, 0 without WebGPU. */
  readonly maxBufferBytes: number
  /** The most of a buffer that a shader can see at once, 0 without WebGPU. */
  readonly maxBindingBytes?: number | undefined
  /** The browser's coarse figure (often at most 8 GB); undefined where it tells none. */
  readonly memoryBytes: number | undefined
  readonly cores: number
  readonly crossOriginIsolated: boolean
  /** The person asked for less data use. */
  readonly saveData: boolean
  /** What this origin may still store, by the browser's estimate; undefined where it tells none. */
  readonly storageBytes?: number | undefined
  /** A phone or tablet, where the browser says so. */
  readonly mobile?: boolean | undefined
  /** The language of the page, else of the browser: an ISO 639-1 code. */
  readonly language?: string | undefined
  /** The browser's own model; undefined where there is none. */
  readonly promptApi?: 'unavailable' | 'downloadable' | 'downloading' | 'available' | undefined
  /** Names the graphics card and the browser: what is remembered of models holds for one of these. */
  readonly fingerprint?: string | undefined
}

interface NavigatorFacts {
  readonly gpu?: GPU
  readonly deviceMemory?: number
  readonly hardwareConcurrency?: number
  readonly connection?: { readonly saveData?: boolean }
  readonly language?: string
  readonly userAgent?: string
  readonly userAgentData?: { readonly mobile?: boolean }
  readonly storage?: { estimate?(): Promise<{ readonly usage?: number; readonly quota?: number }> }
}

/** What is asked beside the navigator. */
export interface PageFacts {
  readonly documentLanguage?: string | undefined
  readonly crossOriginIsolated?: boolean | undefined
  readonly languageModel?: { availability?(): Promise<string> } | undefined
}

const pageFacts = (): PageFacts => ({
  documentLanguage: globalThis.document?.documentElement?.lang,
  crossOriginIsolated: globalThis.crossOriginIsolated,
  languageModel: (globalThis as { LanguageModel?: PageFacts['languageModel'] }).LanguageModel,
})

/** Asks the browser what the device has. Loads nothing; never throws. */
export async function probeDevice(
  facts: NavigatorFacts | undefined = globalThis.navigator as NavigatorFacts | undefined,
  page: PageFacts = pageFacts(),
): Promise<DeviceProfile> {
  const [adapter, storage, promptApi] = await Promise.all([
    facts?.gpu?.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null),
    facts?.storage?.estimate?.().catch(() => undefined),
    askLanguageModel(page.languageModel),
  ])
  const info = adapter?.info
  const software =
    (info as { isFallbackAdapter?: boolean } | undefined)?.isFallbackAdapter ||
    /swiftshader|llvmpipe/i.test(`${info?.architecture} ${info?.description}`)
  const language = (page.documentLanguage || facts?.language)?.split('-')[0]?.toLowerCase()
  return {
    webgpu: adapter ? (software ? 'software' : 'hardware') : 'none',
    shaderF16: adapter?.features.has('shader-f16') ?? false,
    maxBufferBytes: adapter?.limits.maxBufferSize ?? 0,
    maxBindingBytes: adapter?.limits.maxStorageBufferBindingSize ?? 0,
    memoryBytes: facts?.deviceMemory === undefined ? undefined : facts.deviceMemory * 2 ** 30,
    cores: facts?.hardwareConcurrency ?? 1,
    crossOriginIsolated: page.crossOriginIsolated === true,
    saveData: facts?.connection?.saveData === true,
    storageBytes: storage?.quota === undefined ? undefined : Math.max(storage.quota - (storage.usage ?? 0), 0),
    mobile: facts?.userAgentData?.mobile ?? /Android|iPhone|iPad|Mobile/.test(facts?.userAgent ?? ''),
    language: language || undefined,
    promptApi,
    fingerprint: [info?.vendor, info?.architecture, info?.device, info?.description, facts?.userAgent]
      .map((part) => part ?? '')
      .join('|'),
  }
}

async function askLanguageModel(model: PageFacts['languageModel']): Promise<DeviceProfile['promptApi']> {
  if (model === undefined) return undefined
  const state = await Promise.resolve(model.availability?.()).catch(() => undefined)
  return state === 'available' || state === 'downloadable' || state === 'downloading' ? state : 'unavailable'
}
