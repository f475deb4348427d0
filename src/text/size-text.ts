const UNITS = [
  [1e9, 'GB'],
  [1e6, 'MB'],
  [1e3, 'KB'],
] as const

/** Bytes for people: `1.9 GB`, `200 MB`, `3.5 KB`, `0 bytes`. */
export function sizeText(bytes: number): string {
  const [size, unit] = UNITS.find(([least]) => bytes >= least * 0.9995) ?? [1, 'bytes']
  const value = bytes / size
  return `${value < 10 && size > 1 ? Number(value.toFixed(1)) : Math.round(value)} ${unit}`
}
