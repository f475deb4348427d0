/** A size as people read it: `1.2 MB`, `640 MB`, `1.1 GB`; decimal units, as download pages use them. */
export function sayBytes(bytes: number): string {
  if (bytes < 1_000) return `${Math.round(bytes)} bytes`
  if (bytes < 100_000) return `${(bytes / 1e3).toFixed(bytes < 1e4 ? 1 : 0)} KB`
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
  return `${(bytes / 1e9).toFixed(1)} GB`
}
