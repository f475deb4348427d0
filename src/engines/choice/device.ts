/** What this device offers to models. Sizes in bytes. */
export interface DeviceProfile {
  /** `software`: an adapter that computes on the CPU, far too slow for a chat model. */
  readonly webgpu: 'none' | 'software' | 'hardware'
  readonly shaderF16: boolean
  /** Largest GPU buffer, 0 without WebGPU. */
  readonly maxBufferBytes: number
  /** The browser's coarse figure (at most 8 GB); undefined where it tells none. */
  readonly memoryBytes: number | undefined
  readonly cores: number
  readonly crossOriginIsolated: boolean
  /** The person asked for less data use. */
  readonly saveData: boolean
}

interface NavigatorFacts {
  readonly gpu?: GPU
  readonly deviceMemory?: number
  readonly hardwareConcurrency?: number
  readonly connection?: { readonly saveData?: boolean }
}

/** Asks the browser what the device has. Loads nothing; never throws. */
export async function probeDevice(
  facts: NavigatorFacts | undefined = globalThis.navigator as NavigatorFacts | undefined,
): Promise<DeviceProfile> {
  const adapter = await facts?.gpu?.requestAdapter().catch(() => null)
  const info = adapter?.info
  const software =
    (info as { isFallbackAdapter?: boolean } | undefined)?.isFallbackAdapter ||
    /swiftshader|llvmpipe/i.test(`${info?.architecture} ${info?.description}`)
  return {
    webgpu: adapter ? (software ? 'software' : 'hardware') : 'none',
    shaderF16: adapter?.features.has('shader-f16') ?? false,
    maxBufferBytes: adapter?.limits.maxBufferSize ?? 0,
    memoryBytes: facts?.deviceMemory === undefined ? undefined : facts.deviceMemory * 2 ** 30,
    cores: facts?.hardwareConcurrency ?? 1,
    crossOriginIsolated: globalThis.crossOriginIsolated === true,
    saveData: facts?.connection?.saveData === true,
  }
}
