/** What this origin uses and may use, in bytes; all of it as the browser estimates. */
export interface StorageEstimate {
  readonly usageBytes: number
  /** Undefined where the browser does not say. */
  readonly quotaBytes: number | undefined
  /** Whether the browser keeps the data until the person deletes it. */
  readonly persisted: boolean
}

function storageManager(): StorageManager | undefined {
  return globalThis.navigator?.storage
}

/** What is stored and what fits. Never rejects: where the browser does not say, `quotaBytes` is undefined. */
export async function storageEstimate(): Promise<StorageEstimate> {
  const storage = storageManager()
  try {
    const [estimate, persisted] = await Promise.all([storage?.estimate?.(), storage?.persisted?.()])
    return { usageBytes: estimate?.usage ?? 0, quotaBytes: estimate?.quota, persisted: persisted ?? false }
  } catch {
    return { usageBytes: 0, quotaBytes: undefined, persisted: false }
  }
}

const PROBE = '.alcove-room'

/**
 * Whether so many bytes can be stored, tried with an empty file of that length: browsers do not tell the true quota, so that pages cannot
 * recognise private windows by it. Undefined where that cannot be tried.
 */
export async function hasRoomFor(bytes: number): Promise<boolean | undefined> {
  let root: FileSystemDirectoryHandle | undefined
  try {
    root = await storageManager()?.getDirectory?.()
    const writable = await (await root?.getFileHandle(PROBE, { create: true }))?.createWritable()
    await writable?.truncate(bytes)
    await writable?.abort()
    return writable && true
  } catch (error) {
    return (error as { name?: unknown } | null)?.name === 'QuotaExceededError' ? false : undefined
  } finally {
    await root?.removeEntry(PROBE).catch(() => {})
  }
}

/** Asks the browser to keep the data; true when it does. A browser may ask the person. Page only; false in a worker. */
export async function requestPersistence(): Promise<boolean> {
  try {
    return (await storageManager()?.persist?.()) ?? false
  } catch {
    return false
  }
}
