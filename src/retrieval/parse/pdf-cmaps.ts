/** Character maps of one East Asian character collection: file name to a `data:` URL of its bytes. */
type CMapFiles = Readonly<Record<string, string>>

/** The collections of Adobe-Japan1, GB1, CNS1 and Korea1, by the names that their maps have (PDF 32000-1, table 118). */
const COLLECTIONS: readonly (readonly [names: RegExp, load: () => Promise<{ files: CMapFiles }>])[] = [
  [/^(?:GB|UniGB|Adobe-GB1)/, () => import('./pdf-cmaps-gb1.js')],
  [/^(?:B5|HK|ET|CNS|UniCNS|Adobe-CNS1)/, () => import('./pdf-cmaps-cns1.js')],
  [/^(?:KSC|UniKS|Adobe-Korea1)/, () => import('./pdf-cmaps-korea1.js')],
  [/./, () => import('./pdf-cmaps-japan1.js')],
]

/**
 * The bytes of one of pdf.js's packed character maps, such as `UniGB-UCS2-H.bcmap`. PDFs with East Asian fonts that are
 * not embedded, or have no Unicode map of their own, need them to be read. They are bundled, one chunk for each
 * collection, so that nothing is fetched from elsewhere, and a page without such documents never loads them.
 */
export async function loadCMap(filename: string): Promise<Uint8Array> {
  const collection = COLLECTIONS.find(([names]) => names.test(filename))
  const { files } = (await collection?.[1]()) ?? { files: {} }
  const url = Object.entries(files).find(([path]) => path.endsWith(`/${filename}`))?.[1]
  if (url === undefined) throw new Error(`There is no character map ${filename}`)
  const binary = atob(url.slice(url.indexOf(',') + 1))
  return Uint8Array.from(binary, (character) => character.charCodeAt(0))
}
