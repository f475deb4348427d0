// Drives main-thread.bench.ts under a trace of the browser: only that tells how much processor time a task of the page took.

/** Categories of the trace: the tasks of every thread, and the marks that a page makes. */
const CATEGORIES = ['toplevel', 'blink.user_timing']
const CHECK_MARK = 'bench-check'
const CHECK_MS = 80

/** Reads a protocol stream to its end. @param {import('@playwright/test').CDPSession} session @param {string} handle */
async function readStream(session, handle) {
  let text = ''
  for (;;) {
    const { data, eof, base64Encoded } = await session.send('IO.read', { handle, size: 1 << 20 })
    text += base64Encoded ? Buffer.from(data, 'base64').toString('utf8') : data
    if (eof) break
  }
  await session.send('IO.close', { handle })
  return text
}

/** Runs in the page: one task of a known length, with a mark in it. @param {{ mark: string, ms: number }} check */
function keepBusy({ mark, ms }) {
  return new Promise((resolve) => {
    setTimeout(() => {
      performance.mark(mark)
      const start = performance.now()
      while (performance.now() - start < ms);
      setTimeout(resolve, 0)
    }, 0)
  })
}

/**
 * Tasks of the page's main thread after the check. Chromium has renderers of its own beside the page's, so the thread is known by the
 * page's own mark only; and the task around the mark must be as long as it was made, or the trace tells nothing.
 * @param {any[]} events
 */
function findPageTasks(events) {
  const mark = events.find(({ name }) => name === CHECK_MARK)
  if (mark === undefined) throw new Error('expected the mark of the page in the trace, found none')
  const tasks = events.filter(
    ({ ph, name, pid, tid }) => ph === 'X' && name.endsWith('RunTask') && pid === mark.pid && tid === mark.tid,
  )
  const check = tasks.find(({ ts, dur }) => ts <= mark.ts && mark.ts <= ts + dur)
  if (!(check?.dur >= CHECK_MS * 1000)) {
    throw new Error(`expected a task of ${CHECK_MS} ms around the mark, the trace has ${check?.dur ?? 0} µs`)
  }
  return tasks.filter(({ ts }) => ts >= check.ts + check.dur)
}

/** @param {any[]} tasks */
function toFigures(tasks) {
  const measured = tasks.filter(({ tdur }) => tdur !== undefined)
  if (measured.length === 0)
    throw new Error(`expected tasks with processor time in the trace, got none of ${tasks.length}`)
  const longest = measured.reduce((most, { tdur }) => Math.max(most, tdur), 0)
  const total = measured.reduce((sum, { tdur }) => sum + tdur, 0)
  return [
    {
      what: "The longest task on the page's main thread, its own processor time",
      unit: 'ms',
      value: longest / 1000,
      samples: measured.length,
      goal: { on: 'value', most: 50 },
    },
    { what: 'Processor time of all its tasks together', unit: 'ms', value: total / 1000 },
  ]
}

/** @param {any} driver */
export async function run({ browser, openPage, runInPage, context }) {
  const page = await openPage()
  const session = await browser.newBrowserCDPSession()
  await session.send('Tracing.start', {
    transferMode: 'ReturnAsStream',
    traceConfig: { recordMode: 'recordAsMuchAsPossible', includedCategories: CATEGORIES, excludedCategories: ['*'] },
  })
  await page.evaluate(keepBusy, { mark: CHECK_MARK, ms: CHECK_MS })
  const { what, report } = await runInPage(page, 'main-thread', context)
  const complete = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve))
  await session.send('Tracing.end')
  const { stream, dataLossOccurred } = await complete
  if (report.figures.length === 0) return { what, report }
  const { traceEvents } = JSON.parse(await readStream(session, stream))
  const notes = dataLossOccurred
    ? [...report.notes, 'The trace lost events: a longer task may be missing.']
    : report.notes
  return { what, report: { ...report, figures: [...toFigures(findPageTasks(traceEvents)), ...report.figures], notes } }
}
