/** The parts of the origin private file system that the weight store uses, in memory. */
export function fakeDirectory() {
  let quota = Number.POSITIVE_INFINITY
  const files = new Map<string, { bytes: Uint8Array<ArrayBuffer>; isOpen: boolean }>()
  const total = () => [...files.values()].reduce((sum, { bytes }) => sum + bytes.byteLength, 0)

  const handle = (name: string) => ({
    async getFile() {
      const file = files.get(name)
      if (!file) throw new DOMException('gone', 'NotFoundError')
      return new File([file.bytes], name)
    },
    async createSyncAccessHandle() {
      const file = files.get(name)
      if (!file) throw new DOMException('gone', 'NotFoundError')
      if (file.isOpen) throw new DOMException('busy', 'NoModificationAllowedError')
      file.isOpen = true
      return {
        write(part: Uint8Array, { at }: { at: number }) {
          const size = Math.max(file.bytes.byteLength, at + part.byteLength)
          if (total() - file.bytes.byteLength + size > quota) throw new DOMException('full', 'QuotaExceededError')
          const bytes = new Uint8Array(size)
          bytes.set(file.bytes)
          bytes.set(part, at)
          file.bytes = bytes
          return part.byteLength
        },
        truncate(size: number) {
          if (total() - file.bytes.byteLength + size > quota) throw new DOMException('full', 'QuotaExceededError')
          const bytes = new Uint8Array(size)
          bytes.set(file.bytes.subarray(0, size))
          file.bytes = bytes
        },
        getSize: () => file.bytes.byteLength,
        flush() {},
        close() {
          file.isOpen = false
        },
      }
    },
  })
  const folder = {
    async getFileHandle(name: string, { create = false } = {}) {
      if (!files.has(name) && !create) throw new DOMException('no such file', 'NotFoundError')
      if (!files.has(name)) files.set(name, { bytes: new Uint8Array(), isOpen: false })
      return handle(name)
    },
    async removeEntry(name: string) {
      if (!files.delete(name)) throw new DOMException('no such file', 'NotFoundError')
    },
    async *keys() {
      yield* [...files.keys()]
    },
    getDirectoryHandle: async () => folder,
  }
  return {
    root: async () => folder as unknown as FileSystemDirectoryHandle,
    files,
    /** From now on, in bytes of all files. */
    limit(bytes: number) {
      quota = bytes
    },
    /** The one file of bytes. */
    get data() {
      const found = [...files].find(([name]) => name.endsWith('.bin'))
      if (!found) throw new Error('nothing is kept')
      return found[1]
    },
    get log() {
      const found = [...files].find(([name]) => name.endsWith('.log'))
      if (!found) throw new Error('nothing is kept')
      return found[1]
    },
    /** As if the worker that had them open was killed. */
    kill() {
      for (const file of files.values()) file.isOpen = false
    },
  }
}
