import { parseDocument } from '../src/retrieval/parse/parse.js'
import { readZipDirectory } from '../src/retrieval/parse/zip.js'
import { openZipPackage } from '../src/retrieval/parse/zip-package.js'
import { makeEpub, makePptx, makeXlsx } from '../test/fixtures/documents/make-office.js'
import { type BenchContext, type Figure, measureOf, type Report } from './lib/result.js'
import { timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'
import { recallOf } from './lib/text-recall.js'

export const what =
  'Parsers: share of the words of real documents that they give, in what order, how fast, in how much memory.'

interface Sample {
  readonly name: string
  readonly data: Uint8Array
  /** What it says, where that is known. */
  readonly expected?: string | undefined
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }
const plain = (xml: string): string =>
  xml.replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => ENTITIES[name] ?? '').replace(/<[^>]+>/g, ' ')

/** All text of an Office file by the plainest of means: what stands between its text tags, part after part. */
async function textTags(data: Uint8Array): Promise<string> {
  const archive = openZipPackage(data)
  const parts = archive.names.filter((name) =>
    /^(?:word\/(?:document|footnotes|endnotes|comments)|ppt\/slides\/slide\d+|xl\/sharedStrings)\.xml$/.test(name),
  )
  const texts: string[] = []
  for (const part of parts) {
    const xml = new TextDecoder().decode(await archive.read(part)).replace(/<mc:Fallback>[\s\S]*?<\/mc:Fallback>/g, '')
    for (const [whole, text = ''] of xml.matchAll(/<(?:[wa]:)?t(?: [^>]*)?>([^<]*)<|<\/[wa]:p>|<\/si>/g)) {
      texts.push(whole.startsWith('</') ? ' ' : plain(text))
    }
  }
  return texts.join('')
}

/** What a file says: by the text that its source gives beside it, else by itself, where it is text, or by its tags. */
async function expectedOf(
  name: string,
  data: Uint8Array,
  others: ReadonlySet<string>,
  read: (name: string) => Promise<Uint8Array>,
): Promise<string | undefined> {
  const decoder = new TextDecoder()
  for (const other of [`${name}.md`, name.replace(/\.\w+$/, '.md')]) {
    if (name.endsWith('.pdf') && others.has(other)) return decoder.decode(await read(other))
  }
  if (/\.(?:docx|pptx|xlsx)$/.test(name)) return textTags(data)
  if (/\.(?:csv|tsv|md|json|ipynb)$/.test(name)) return name.endsWith('.ipynb') ? undefined : decoder.decode(data)
  if (/docling.*\.html$/.test(name))
    return plain(decoder.decode(data).replace(/<(head|script|style)[\s\S]*?<\/\1>/g, ''))
  return undefined
}

async function loadSamples(dataUrl: string): Promise<Sample[]> {
  const folder = `${dataUrl}documents/`
  const manifest = await fetch(`${folder}MANIFEST.tsv`)
  if (!manifest.ok) return []
  const names = (await manifest.text())
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t')[0] ?? '')
    .filter((name) => name !== '')
  const read = async (name: string): Promise<Uint8Array> =>
    new Uint8Array(await (await fetch(`${folder}${name}`)).arrayBuffer())
  const all = new Set(names)
  const samples: Sample[] = []
  for (const name of names) {
    const data = await read(name)
    samples.push({ name, data, expected: await expectedOf(name, data, all, read) })
  }
  return samples
}

async function measureRecall(samples: readonly Sample[]): Promise<{ figures: Figure[]; refused: string[] }> {
  const figures: Figure[] = []
  const refused: string[] = []
  for (const { name, data, expected } of samples) {
    const result = await parseDocument({ data, name }).catch((error: { code: string }) => error)
    if ('code' in result) refused.push(`${name}: ${result.code}`)
    else if (expected !== undefined) {
      const { words, order } = recallOf(expected, result.text)
      figures.push({ what: `${name}: words`, unit: '%', value: words * 100, goal: { on: 'value', least: 95 } })
      // The list of texts that a workbook's cells share has an order of its own.
      if (name.endsWith('.xlsx')) continue
      figures.push({ what: `${name}: in order`, unit: '%', value: order * 100, goal: { on: 'value', least: 90 } })
    }
  }
  return { figures, refused }
}

const heapBytes = (): number =>
  (performance as unknown as { memory?: { usedJSHeapSize: number } }).memory?.usedJSHeapSize ?? 0

/** Parses a file several times; memory is the most that the heap grew, looked at whenever the parser lets others run. */
async function measureSpeed({ name, data }: Sample, rounds: number): Promise<Figure[]> {
  const times: number[] = []
  const isZip = data[0] === 0x50 && data[1] === 0x4b
  const unpacked = isZip ? readZipDirectory(data).reduce((sum, { bytes }) => sum + bytes, 0) : data.length
  let peak = 0
  for (let round = 0; round <= rounds; round++) {
    ;(globalThis as { gc?: () => void }).gc?.()
    const before = heapBytes()
    const look = (): void => {
      peak = Math.max(peak, heapBytes() - before)
    }
    const timer = setInterval(look, 2)
    const ms = await timeOf(async () => {
      await parseDocument({ data, name })
    })
    look()
    clearInterval(timer)
    // The first one loads the library.
    if (round > 0) times.push(unpacked / 1e6 / (ms / 1000))
  }
  const size = `${(unpacked / 1e6).toFixed(1)} MB`
  return [
    { what: `${name}, ${size}`, unit: 'MB/s', ...measureOf(summarize(times)) },
    { what: `${name}, ${size}: growth of the heap`, unit: 'bytes', value: peak },
  ]
}

const sentence =
  'The harbour master notes the height of the tide at noon and at midnight, and reports it by telephone. '

/** Files of a size at which time matters, made up. */
function makeLarge(quick: boolean): Sample[] {
  const count = quick ? 200 : 40_000
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
  const records = Array.from({ length: count }, (_, index) => ({
    id: index,
    name: `Harbour ${index}`,
    tide: index / 7,
    note: 'calm',
  }))
  const rows = records.map(({ id, name, tide, note }) => [
    { number: id, style: 0 },
    name,
    { number: tide, style: 2 },
    note,
  ])
  return [
    {
      name: 'made-up.csv',
      data: encode(`id,name,tide,note\n${records.map((record) => Object.values(record).join(',')).join('\n')}`),
    },
    { name: 'made-up.json', data: encode(JSON.stringify(records)) },
    { name: 'made-up.xlsx', data: makeXlsx([{ name: 'Tides', rows: [['id', 'name', 'tide', 'note'], ...rows] }]) },
    {
      name: 'made-up.pptx',
      data: makePptx(
        Array.from({ length: Math.ceil(count / 100) }, (_, index) => ({
          title: `Slide ${index}`,
          lines: Array.from({ length: 12 }, () => ({ text: sentence })),
        })),
      ),
    },
    {
      name: 'made-up.epub',
      data: makeEpub(
        Array.from({ length: Math.ceil(count / 1000) }, (_, index) => ({
          file: `${index}.xhtml`,
          body: `<h1>Chapter ${index}</h1>${`<p>${sentence.repeat(5)}</p>`.repeat(200)}`,
        })),
      ),
    },
    {
      name: 'made-up.html',
      data: encode(`<html><body>${`<h2>Tides</h2><p>${sentence.repeat(5)}</p>`.repeat(count / 20)}`),
    },
    { name: 'made-up.md', data: encode(`## Tides\n\n${sentence.repeat(5)}\n\n`.repeat(count / 20)) },
    { name: 'made-up.txt', data: encode(sentence.repeat(count)) },
  ]
}

export async function run(context: BenchContext): Promise<Report> {
  const rounds = context.quick ? 1 : 5
  const samples = context.dataUrl === undefined ? [] : await loadSamples(context.dataUrl)
  const { figures, refused } = await measureRecall(samples)
  const real = samples.filter(({ name }) =>
    /tracemonkey\.pdf$|markitdown\/test\.docx$|test_wikipedia\.html$/.test(name),
  )
  for (const sample of [...real, ...makeLarge(context.quick)]) figures.push(...(await measureSpeed(sample, rounds)))
  return {
    figures,
    notes: [
      'Words: share of the expected ones that are there, each as often. In order: share of those in the longest common subsequence.',
      'Expected is the Markdown that the source of the documents has beside them; for Office files what stands between their text tags; for text itself.',
      'MB/s of the file, an archive unpacked. Parsed on the page, where a product uses workers.',
      `Refused: ${refused.length === 0 ? 'none' : refused.join('; ')}.`,
    ],
    ...(samples.length === 0 ? { skipped: ['real documents: no ALCOVE_DATA_DIR'] } : {}),
  }
}
