import { afterEach, describe, expect, test, vi } from 'vitest'
import { AlcoveError } from '../../../src/protocol/error.js'
import { abortable, abortError, anySignal, onAbort, throwIfAborted, timeoutSignal } from '../../../src/runtime/abort.js'
import { systemClock } from '../../../src/runtime/clock.js'

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** A signal that counts its listeners. */
function countedSignal() {
  const controller = new AbortController()
  const { signal } = controller
  const listeners = { count: 0 }
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners.count += 1
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners.count -= 1
    remove(...args)
  }
  return { controller, signal, listeners }
}

describe('abortError', () => {
  test.each([
    ['no reason', undefined, 'aborted'],
    ['a text', 'left the page', 'aborted'],
    ["the platform's time-out", new DOMException('late', 'TimeoutError'), 'timeout'],
    ['any error', new TypeError('x'), 'aborted'],
    ['an AlcoveError', new AlcoveError('worker-crashed', 'died'), 'worker-crashed'],
  ])('%s', (_name, reason, code) => {
    const error = abortError(AbortSignal.abort(reason))
    expect(error).toMatchObject({ name: 'AlcoveError', code })
    if (typeof reason === 'string') expect(error.message).toBe(reason)
    if (reason instanceof AlcoveError) expect(error).toBe(reason)
  })

  test('throwIfAborted throws it, and nothing before', () => {
    throwIfAborted(undefined)
    throwIfAborted(new AbortController().signal)
    expect(() => throwIfAborted(AbortSignal.abort())).toThrow(expect.objectContaining({ code: 'aborted' }))
  })
})

describe('abortable', () => {
  test('settles as the promise does, and then listens no more', async () => {
    const { signal, listeners } = countedSignal()
    expect(await abortable(Promise.resolve(5), signal)).toBe(5)
    await expect(abortable(Promise.reject(new Error('no')), signal)).rejects.toThrow('no')
    expect(listeners.count).toBe(0)
  })

  test('rejects at once on abort, though the promise never settles', async () => {
    const controller = new AbortController()
    const waiting = abortable(new Promise(() => {}), controller.signal)
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' })
  })

  test('a later rejection of the promise is nobody’s', async () => {
    const late = new Promise((_resolve, reject) => setTimeout(() => reject(new Error('late')), 5))
    await expect(abortable(late, AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' })
    await new Promise((resolve) => setTimeout(resolve, 15))
  })
})

describe('onAbort', () => {
  test('runs once; now when it has aborted; never when forgotten', () => {
    const run = vi.fn()
    const controller = new AbortController()
    onAbort(controller.signal, run)
    const forget = onAbort(controller.signal, () => run('forgotten'))
    forget()
    controller.abort()
    controller.abort()
    onAbort(controller.signal, run)
    expect(run.mock.calls).toEqual([[controller.signal], [controller.signal]])
  })
})

describe('anySignal', () => {
  test('is nothing of nothing, and the one that there is', () => {
    const { signal } = new AbortController()
    expect(anySignal(undefined, undefined)).toBeUndefined()
    expect(anySignal(undefined, signal)).toBe(signal)
  })

  test.each([true, false])('aborts with the first, for its reason (AbortSignal.any there: %s)', (hasAny) => {
    if (!hasAny) vi.stubGlobal('AbortSignal', class extends AbortSignal {})
    if (!hasAny) Object.defineProperty(AbortSignal, 'any', { value: undefined })
    const [one, other] = [new AbortController(), new AbortController()]
    const signal = anySignal(one.signal, other.signal)
    expect(signal?.aborted).toBe(false)
    other.abort('second')
    one.abort('first')
    expect([signal?.aborted, signal?.reason]).toEqual([true, 'second'])
    expect(anySignal(new AbortController().signal, AbortSignal.abort('before'))?.reason).toBe('before')
  })
})

describe('timeoutSignal', () => {
  test('aborts with timeout when the time is over', () => {
    vi.useFakeTimers()
    const { signal } = timeoutSignal(100)
    vi.advanceTimersByTime(99)
    expect(signal.aborted).toBe(false)
    vi.advanceTimersByTime(1)
    expect(abortError(signal)).toMatchObject({ code: 'timeout', details: { timeoutMs: 100 } })
  })

  test('aborts with the signal it was given, for its reason', () => {
    const controller = new AbortController()
    const { signal, clear } = timeoutSignal(1000, controller.signal)
    controller.abort('stop')
    expect(signal.reason).toBe('stop')
    clear()
  })

  test('leaves no timer and no listener when cleared, and takes any length of time', () => {
    vi.useFakeTimers()
    const { signal, listeners } = countedSignal()
    const { signal: own, clear } = timeoutSignal(100, signal)
    clear()
    vi.advanceTimersByTime(1000)
    expect([own.aborted, listeners.count, vi.getTimerCount()]).toEqual([false, 0, 0])
    const endless = [timeoutSignal(Number.POSITIVE_INFINITY), timeoutSignal(2 ** 40)]
    vi.advanceTimersByTime(10_000)
    expect(endless.map((each) => each.signal.aborted)).toEqual([false, false])
  })
})

describe('systemClock', () => {
  test('sleeps, and wakes at once on abort without a timer left', async () => {
    vi.useFakeTimers()
    const slept = systemClock.sleep(50)
    vi.advanceTimersByTime(50)
    await slept
    const controller = new AbortController()
    const sleeping = systemClock.sleep(50, controller.signal)
    controller.abort()
    await expect(sleeping).rejects.toMatchObject({ code: 'aborted' })
    await expect(systemClock.sleep(50, controller.signal)).rejects.toMatchObject({ code: 'aborted' })
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a timer can be prevented, and one of endless time never comes', () => {
    vi.useFakeTimers()
    const run = vi.fn()
    systemClock.setTimer(10, run)()
    systemClock.setTimer(Number.POSITIVE_INFINITY, run)
    systemClock.setTimer(2 ** 33, run)
    vi.advanceTimersByTime(100)
    expect(run).not.toHaveBeenCalled()
    systemClock.setTimer(10, run)
    vi.advanceTimersByTime(10)
    expect(run).toHaveBeenCalledTimes(1)
  })
})

describe('many waits on one signal', () => {
  test('are one listener, which goes with the last of them', async () => {
    const { signal, listeners } = countedSignal()
    const waits = Array.from({ length: 200 }, (_, value) => abortable(Promise.resolve(value), signal))
    expect(listeners.count).toBe(1)
    await Promise.all(waits)
    expect(listeners.count).toBe(0)
  })

  test('all hear of the abort, but for those that were forgotten, also by an earlier one', () => {
    const { controller, signal } = countedSignal()
    const heard: string[] = []
    onAbort(signal, () => {
      heard.push('first')
      forgetSecond()
    })
    const forgetSecond = onAbort(signal, () => heard.push('second'))
    const forgetThird = onAbort(signal, () => heard.push('third'))
    onAbort(signal, ({ reason }) => heard.push(String(reason)))
    forgetThird()
    controller.abort('why')
    controller.abort('again')
    expect(heard).toEqual(['first', 'why'])
  })
})
