import { describe, expect, test } from 'vitest'
import { fuseRankings, keywordLeg, vectorLeg } from '../../../src/retrieval/fuse.js'

const rows = (...ids: number[]) => ids.map((id, index) => ({ id, score: 10 - index }))
const byId = (a: number, b: number) => a - b

describe('fuseRankings', () => {
  test('is the sum of weight / (60 + rank), ranks from 1', () => {
    const fused = fuseRankings([{ rows: rows(7, 8) }, { rows: rows(8, 9), weight: 0.5 }], byId)
    expect(fused.map(({ id }) => id)).toEqual([8, 7, 9])
    expect(fused[0]?.score).toBeCloseTo(1 / 62 + 0.5 / 61, 12)
    expect(fused[1]?.score).toBeCloseTo(1 / 61, 12)
    expect(fused[2]?.score).toBeCloseTo(0.5 / 62, 12)
    expect(fused.map(({ ranks }) => ranks)).toEqual([
      [2, 1],
      [1, undefined],
      [undefined, 2],
    ])
  })

  test('ties go by the order of the documents', () => {
    expect(fuseRankings([{ rows: rows(9) }, { rows: rows(4) }], byId).map(({ id }) => id)).toEqual([4, 9])
    expect(fuseRankings([{ rows: rows(9) }, { rows: rows(4) }], (a, b) => b - a).map(({ id }) => id)).toEqual([9, 4])
  })

  test('rows that come to nothing are left out', () => {
    expect(fuseRankings([{ rows: rows(1, 2), weight: 0 }], byId)).toEqual([])
    expect(fuseRankings([], byId)).toEqual([])
    const evidence = (score: number) => (score === 10 ? 1 : 0)
    expect(fuseRankings([{ rows: rows(1, 2), evidence }], byId).map(({ id }) => id)).toEqual([1])
  })
})

describe('evidence', () => {
  test('a keyword row says as many nats as its BM25 score', () => {
    const leg = keywordLeg({ rows: rows(1, 2) }, 2)
    expect(leg).toMatchObject({ rows: rows(1, 2), weight: 2 })
    expect(leg.evidence?.(8.5)).toBe(8.5)
  })

  test('a vector row says how surprising its cosine is: √2 nats a standard deviation above the mean, nothing below', () => {
    const leg = vectorLeg({ rows: [{ id: 1, score: 0.4 }], mean: 0.2, deviation: 0.05, scanned: 10_000 })
    expect(leg.evidence?.(0.4)).toBeCloseTo(4 * Math.SQRT2)
    expect(leg.evidence?.(0.2)).toBe(0)
    expect(leg.evidence?.(-1)).toBe(0)
  })

  test('of few vectors the best one says no more than that it is the best of so many', () => {
    const found = [0.9, 0.5].map((score, id) => ({ id, score }))
    const leg = vectorLeg({ rows: found, mean: 0.1, deviation: 0.1, scanned: 22 })
    expect(leg.evidence?.(0.9)).toBeCloseTo(Math.log(23))
    expect(leg.evidence?.(0.5)).toBeCloseTo(Math.log(23) / 2)
  })

  test('vectors that are all alike keep their order, and say next to nothing', () => {
    const leg = vectorLeg({ rows: rows(1), mean: 0.5, deviation: 0, scanned: 1 })
    expect(leg.evidence?.(0.5)).toBe(0.5)
  })

  test('a passage that means the same goes before one that shares only common words', () => {
    const keyword = keywordLeg({ rows: [{ id: 1, score: 0.9 }] })
    const vector = vectorLeg({ rows: [{ id: 2, score: 0.7 }], mean: 0.1, deviation: 0.1, scanned: 1000 })
    expect(fuseRankings([keyword, vector], byId).map(({ id }) => id)).toEqual([2, 1])
  })

  test('vectors that tell nothing apart do not turn a clear keyword ranking', () => {
    const keyword = keywordLeg({
      rows: [
        { id: 1, score: 9 },
        { id: 2, score: 4 },
      ],
    })
    const noise = Array.from({ length: 50 }, (_, index) => ({ id: index + 2, score: 0.5 - index * 0.0001 }))
    const vector = vectorLeg({ rows: noise, mean: 0.45, deviation: 0.02, scanned: 2000 })
    expect(fuseRankings([keyword, vector], byId)[0]?.id).toBe(1)
  })
})
