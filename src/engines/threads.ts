/**
 * Threads that an engine takes on WebAssembly: half the cores, at most 4, since more than are free are slower than one; one where the page is
 * not cross-origin isolated, as threads need shared memory.
 * @param cores @default those of this device, 2 where it does not tell
 */
export function threadCount(cores: number = globalThis.navigator?.hardwareConcurrency ?? 2): number {
  return globalThis.crossOriginIsolated === true ? Math.max(1, Math.min(4, Math.floor(cores / 2))) : 1
}
