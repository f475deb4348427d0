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

/** Asks the browser to keep the data; true when it does. A browser may ask the person. Page only; false in a worker. */
export async function requestPersistence(): Promise<boolean> {
  try {
    return (await storageManager()?.persist?.()) ?? false
  } catch {
    return false
  }
}
