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
  test('a keyword row says what it covers of the query, half of the ideal being all', () => {
    const leg = keywordLeg({ rows: rows(1, 2), bestPossible: 80 })
    expect(leg.evidence?.(10)).toBeCloseTo(0.25)
    expect(leg.evidence?.(5)).toBeCloseTo(0.125)
    expect(keywordLeg({ rows: rows(1), bestPossible: 12 }).evidence?.(10)).toBe(1)
    expect(keywordLeg({ rows: [], bestPossible: 0 }).rows).toEqual([])
  })

  test('a vector row says how far it stands above chance', () => {
    const leg = vectorLeg({ rows: rows(1), mean: 0.2, deviation: 0.05, scanned: 1000 })
    expect(leg.evidence?.(0.9)).toBe(1)
    expect(leg.evidence?.(0.2)).toBe(0)
    expect(leg.evidence?.(-1)).toBe(0)
    const [near, far] = [leg.evidence?.(0.3) ?? 0, leg.evidence?.(0.4) ?? 0]
    expect(near).toBeLessThan(0.2)
    expect(far).toBeGreaterThan(near)
  })

  test('of a few vectors the one that stands out says all', () => {
    const leg = vectorLeg({ rows: rows(1, 2), mean: 0.5, deviation: 0.4, scanned: 2 })
    expect(leg.evidence?.(0.9)).toBe(1)
    expect(vectorLeg({ rows: rows(1), mean: 0.5, deviation: 0, scanned: 1 }).evidence).toBeUndefined()
  })

  test('vectors that tell nothing apart do not turn a clear keyword ranking', () => {
    const keyword = keywordLeg({
      rows: [
        { id: 1, score: 9 },
        { id: 2, score: 4 },
      ],
      bestPossible: 16,
    })
    const noise = Array.from({ length: 50 }, (_, index) => ({ id: index + 2, score: 0.5 - index * 0.0001 }))
    const vector = vectorLeg({ rows: noise, mean: 0.45, deviation: 0.02, scanned: 2000 })
    expect(fuseRankings([keyword, vector], byId)[0]?.id).toBe(1)
  })
})
