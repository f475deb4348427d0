import { describe, expect, it } from 'vitest'
import { createStopCutter } from '../../../src/engines/stop-words.js'

/** Everything that is shown when the text comes in these pieces. */
function show(pieces: readonly string[], stops: readonly string[]) {
  const cutter = createStopCutter(stops)
  let text = ''
  for (const piece of pieces) {
    const shown = cutter.push(piece)
    text += shown.text
    if (shown.stopped) return { text, stopped: true }
  }
  return { text: text + cutter.flush(), stopped: false }
}

describe('createStopCutter', () => {
  it('cuts at the same place however the text is split', () => {
    const text = 'a <b <br> c <br/> d'
    for (const stops of [['<br/>'], ['<br>', '<br/>'], ['none'], ['d'], ['a'], [' c ', '<br/> d']]) {
      const places = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0)
      const expected = places.length > 0 ? text.slice(0, Math.min(...places)) : text
      for (let size = 1; size <= text.length; size++) {
        const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []
        expect(show(pieces, stops)).toEqual({ text: expected, stopped: places.length > 0 })
      }
    }
  })

  it('holds back only what could still become a stop text', () => {
    const cutter = createStopCutter(['END', 'NOW'])
    expect(cutter.push('one E')).toEqual({ text: 'one ', stopped: false })
    expect(cutter.push('N')).toEqual({ text: '', stopped: false })
    expect(cutter.push('!')).toEqual({ text: 'EN!', stopped: false })
    expect(cutter.push('NO')).toEqual({ text: '', stopped: false })
    expect(cutter.flush()).toBe('NO')
  })

  it('shows nothing after a stop, and ignores empty stop texts', () => {
    const cutter = createStopCutter(['', 'x'])
    expect(cutter.push('ab')).toEqual({ text: 'ab', stopped: false })
    expect(cutter.push('cxd')).toEqual({ text: 'c', stopped: true })
    expect(cutter.push('e')).toEqual({ text: '', stopped: true })
    expect(cutter.flush()).toBe('')
  })
})
