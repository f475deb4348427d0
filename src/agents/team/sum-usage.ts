import type { Usage } from '../../protocol/stream-part.js'

const SUMS = [
  'promptTokens',
  'completionTokens',
  'cachedTokens',
  'totalTokens',
  'queueMs',
  'loadMs',
  'searchMs',
  'toolMs',
] as const

/**
 * What a team has used: the counts and times of its members together. How long it took, and until its first token, is its own.
 *
 * @param own what the team's own clock says
 * @param before what it said before the run was stored
 */
export function sumUsage(members: readonly Usage[], own: Usage, before: Usage | undefined): Usage {
  const sum = (key: (typeof SUMS)[number]) => members.reduce((total, usage) => total + (usage[key] ?? 0), 0)
  const sums = Object.fromEntries(SUMS.map((key) => [key, sum(key)])) as Record<(typeof SUMS)[number], number>
  const decodeSeconds = members.reduce(
    (total, { completionTokens, tokensPerSecond }) =>
      total + (tokensPerSecond ? completionTokens / tokensPerSecond : 0),
    0,
  )
  const caches = new Set(members.map(({ cache }) => cache))
  return {
    ...sums,
    timeToFirstTokenMs: before?.timeToFirstTokenMs ?? own.timeToFirstTokenMs,
    tokensPerSecond: decodeSeconds > 0 ? sums.completionTokens / decodeSeconds : undefined,
    durationMs: (before?.durationMs ?? 0) + own.durationMs,
    cache: caches.has('miss') ? 'miss' : caches.has('hit') ? 'hit' : 'off',
    modelId: members.at(-1)?.modelId,
  }
}
