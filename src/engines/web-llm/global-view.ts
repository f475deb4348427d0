/**
 * Sets another value in the place of a global of this thread.
 * @returns takes it away again, unless somebody else has set another one meanwhile
 */
export function installGlobal<Name extends 'caches' | 'fetch'>(
  name: Name,
  view: (typeof globalThis)[Name],
): () => void {
  const before = Object.getOwnPropertyDescriptor(globalThis, name)
  Object.defineProperty(globalThis, name, { configurable: true, enumerable: true, writable: true, value: view })
  return () => {
    if (globalThis[name] !== view) return
    if (before) Object.defineProperty(globalThis, name, before)
    else Reflect.deleteProperty(globalThis, name)
  }
}
