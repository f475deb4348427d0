/** A size as people read it: `0.4 MB`, `23 MB`, `1.5 GB`; decimal units, as download pages use them. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  if (bytes < 100_000) return `${(bytes / 1000).toFixed(bytes < 10_000 ? 1 : 0)} KB`
  if (bytes < 1_000_000_000) return `${(bytes / 1e6).toFixed(bytes < 10_000_000 ? 1 : 0)} MB`
  return `${(bytes / 1e9).toFixed(1)} GB`
}

/** `12 of 23 MB`, or `12 MB` where the whole is not known. */
export function formatProgress(loaded: number, total: number | undefined): string {
  if (total === undefined) return formatBytes(loaded)
  const [amount, unit] = formatBytes(total).split(' ')
  const divisor = unit === 'GB' ? 1e9 : unit === 'MB' ? 1e6 : unit === 'KB' ? 1e3 : 1
  const digits = amount?.includes('.') ? 1 : 0
  return `${(Math.min(loaded, total) / divisor).toFixed(digits)} of ${amount} ${unit}`
}

/** `40 s`, `3 min`, `2 h`: rounded up, since a wait is better shorter than said. */
export function formatDuration(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.ceil(seconds))} s`
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`
  return `${Math.ceil(seconds / 3600)} h`
}

/** `1 page`, `3 pages`. */
export function formatCount(count: number, one: string, many: string): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`
}
