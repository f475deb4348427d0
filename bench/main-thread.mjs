// Drives main-thread.bench.ts under a trace of the browser: only that tells how much processor time a task of the page took.

/** Categories of the trace: tasks of every thread, and nothing else. */
const CATEGORIES = ['toplevel']

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

/** Tasks of the page's main thread: the thread of that name with the most of them, as an idle spare process has one too. @param {any[]} events */
function findPageTasks(events) {
  const mainThreads = new Set(
    events
      .filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain')
      .map(({ pid, tid }) => `${pid}:${tid}`),
  )
  /** @type {Map<string, any[]>} */
  const byThread = new Map()
  for (const event of events) {
    const thread = `${event.pid}:${event.tid}`
    if (event.ph !== 'X' || !event.name.endsWith('RunTask') || !mainThreads.has(thread)) continue
    const tasks = byThread.get(thread) ?? []
    tasks.push(event)
    byThread.set(thread, tasks)
  }
  return [...byThread.values()].sort((a, b) => b.length - a.length)[0] ?? []
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
