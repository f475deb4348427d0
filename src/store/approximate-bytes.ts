/** About how many bytes a plain value takes: texts by two bytes a code unit, binary data by its length. */
export function approximateBytes(value: unknown): number {
  if (typeof value === 'string') return value.length * 2
  if (typeof value !== 'object' || value === null) return 8
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value.byteLength
  if (value instanceof Blob) return value.size
  let bytes = 16
  for (const [key, field] of Object.entries(value)) bytes += key.length * 2 + approximateBytes(field)
  return bytes
}
