import { AlcoveError } from '../../protocol/error.js'

/** Text, and the WHATWG name of the encoding that its bytes were read with. */
export interface DecodedText {
  readonly text: string
  readonly encoding: string
}

/**
 * Frequent characters of each language, as a yardstick: right text is full of them, wrongly decoded text is not.
 * Han lists follow the usual frequency tables of modern text; syllables and letters likewise.
 */
const FREQUENT = {
  simplified:
    '的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运，。、“”《》：；',
  traditional:
    '的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由問很最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代內信表化老給世位次度門任常先海通教兒原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活爾更別打女變四神總何電數安少報才結反受目太量再感建務做接必場件計管期市直德資命山金指克許統區保至隊形社便空決治展馬科司五基眼書非則聽白卻界達光放強即像難且權思王象完設式色路記南品住告類求據程北邊死張該交規萬取拉格望覺術領共確傳師觀清今切院讓識候帶導爭運，。、「」《》：；',
  korean:
    '이다는의에가을를은하고지사한로기도어인대리나자시라서있으그들아스수정해주만일전해보제부여오조상것면거게성장구들요원음과우적소동세니선안공비되용학드당생무문국진년말연경유마분신때려야러발등까산호중없또실모치었계바습였',
} as const

const scoreSets = new Map<string, ReadonlySet<string>>()
function frequentSet(name: keyof typeof FREQUENT): ReadonlySet<string> {
  let set = scoreSets.get(name)
  if (!set) {
    set = new Set(FREQUENT[name])
    scoreSets.set(name, set)
  }
  return set
}

const KANA = /[\u3040-\u30ff]/
const HALFWIDTH_KANA = /[\uff61-\uff9f]/

/** Multi-byte encodings, with a measure of how much a decoded character looks like right text: 0 to 1. */
const MULTI_BYTE: readonly { readonly encoding: string; readonly looksRight: (character: string) => number }[] = [
  { encoding: 'gb18030', looksRight: (character) => (frequentSet('simplified').has(character) ? 1 : 0) },
  { encoding: 'big5', looksRight: (character) => (frequentSet('traditional').has(character) ? 1 : 0) },
  { encoding: 'shift_jis', looksRight: japanese },
  { encoding: 'euc-jp', looksRight: japanese },
  { encoding: 'euc-kr', looksRight: (character) => (frequentSet('korean').has(character) ? 1 : 0) },
  { encoding: 'utf-16le', looksRight: eastAsian },
  { encoding: 'utf-16be', looksRight: eastAsian },
]

function eastAsian(character: string): number {
  return Math.max(japanese(character), frequentSet('korean').has(character) ? 1 : 0)
}

function japanese(character: string): number {
  if (HALFWIDTH_KANA.test(character)) return 0
  if (KANA.test(character)) return 1
  return frequentSet('traditional').has(character) || frequentSet('simplified').has(character) ? 0.6 : 0
}

/** Single-byte encodings by the letters that are frequent in them. */
const SINGLE_BYTE: readonly { readonly encoding: string; readonly letters: string }[] = [
  { encoding: 'windows-1251', letters: 'оеаинтсрвлкмдпуяыьгзбчйхжшюцщэ' },
  { encoding: 'koi8-r', letters: 'оеаинтсрвлкмдпуяыьгзбчйхжшюцщэ' },
  { encoding: 'windows-1253', letters: 'αοιετσνηυρπκμλάίόέςωδγήύθώφβχξζψ' },
  { encoding: 'windows-1255', letters: 'יוהלאתרבמשנםעדקחפכסטןגזצךףץ' },
  { encoding: 'windows-1256', letters: 'اليمنتروهبدعفسكقحةجشصىأطذخءزثضغإظئآؤ' },
  { encoding: 'windows-874', letters: 'านรกอเงมยลวดทสตะปบคหแจพชขใไโผซณ่้ัิีุูึื์็ำ' },
]

/** A sample is enough to tell an encoding, and bounds the cost for a file of 100 MB. */
const SAMPLE_BYTES = 64 * 1024

function decodesAs(encoding: string, bytes: Uint8Array): string | undefined {
  try {
    // `stream` forgives a character that the end of the sample cuts.
    return new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: true })
  } catch {
    return undefined
  }
}

/** Share of the decoded characters beyond ASCII that look right for the encoding. */
function shareOfRight(text: string, looksRight: (character: string) => number): number {
  let all = 0
  let right = 0
  for (const character of text) {
    if (character <= '\u007f') continue
    all++
    right += looksRight(character)
  }
  return all === 0 ? 0 : right / all
}

/** The best single-byte guess for text whose words are not Latin; undefined where Latin letters prevail. */
function guessSingleByte(sample: Uint8Array): string | undefined {
  let best: { encoding: string; score: number } | undefined
  for (const { encoding, letters } of SINGLE_BYTE) {
    const text = decodesAs(encoding, sample)
    if (text === undefined) continue
    // Words of such letters are runs of them, while accents of Latin text stand alone between ASCII letters.
    const frequent = letters.slice(0, 16)
    const runs = text.match(new RegExp(`[${letters}]{2,}`, 'giu'))?.join('') ?? ''
    const inFrequent = [...runs.toLowerCase()].filter((letter) => frequent.includes(letter)).length
    const lowercase = [...runs].filter((letter) => letters.includes(letter)).length
    const score = (inFrequent + lowercase) / 2 / Math.max(1, [...text].filter((c) => c > '\u007f').length)
    if (!best || score > best.score) best = { encoding, score }
  }
  return best && best.score > 0.55 ? best.encoding : undefined
}

/** The encoding of bytes that are neither UTF-8 nor UTF-16. */
function guessLegacy(sample: Uint8Array): string {
  let best: { encoding: string; score: number } | undefined
  for (const { encoding, looksRight } of MULTI_BYTE) {
    const text = decodesAs(encoding, sample)
    if (text === undefined) continue
    const score = shareOfRight(text, looksRight)
    if (!best || score > best.score) best = { encoding, score }
  }
  if (best && best.score >= 0.25) return best.encoding
  return guessSingleByte(sample) ?? 'windows-1252'
}

/** UTF-16 without a mark: in text with ASCII in it, every other byte is often zero. */
function guessUtf16(sample: Uint8Array): string | undefined {
  let even = 0
  let odd = 0
  for (let index = 0; index + 1 < sample.length; index += 2) {
    if (sample[index] === 0) even++
    if (sample[index + 1] === 0) odd++
  }
  const pairs = Math.floor(sample.length / 2)
  if (pairs === 0) return undefined
  if (odd > pairs * 0.3 && even < pairs * 0.02) return 'utf-16le'
  if (even > pairs * 0.3 && odd < pairs * 0.02) return 'utf-16be'
  return undefined
}

function byteOrderMark(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 'utf-8'
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le'
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be'
  return undefined
}

/** A label that TextDecoder knows, by its WHATWG name; undefined for any other. */
function knownEncoding(label: string | undefined): string | undefined {
  if (!label) return undefined
  try {
    return new TextDecoder(label.trim()).encoding
  } catch {
    return undefined
  }
}

/** What bytes without a mark are that are not UTF-8. */
function detectLegacy(bytes: Uint8Array, declared: string | undefined): string {
  const named = knownEncoding(declared)
  if (named && named !== 'utf-8' && decodesAs(named, bytes.subarray(0, SAMPLE_BYTES)) !== undefined) return named
  // A sample from where the foreign letters are: the first ones may come late.
  const from = Math.max(0, bytes.findIndex((byte) => byte > 0x7f) - 200) & ~1
  const foreign = bytes.subarray(from, from + SAMPLE_BYTES)
  // One stray byte in a long UTF-8 text is damage, not another encoding.
  return mostlyUtf8(foreign) ? 'utf-8' : guessLegacy(foreign)
}

function mostlyUtf8(bytes: Uint8Array): boolean {
  const text = new TextDecoder().decode(bytes)
  let good = 0
  let bad = 0
  for (const character of text) {
    if (character === '\ufffd') bad++
    else if (character > '\u007f') good++
  }
  return good >= 20 && bad * 20 <= good
}

/**
 * Reads a text's bytes. How they are read is told by a byte order mark, else the zeros of UTF-16, else whether they are
 * well-formed UTF-8, else what the document or its server declares, else by the legacy encoding whose reading looks
 * most like a language. A short text in a legacy encoding may be read wrongly: `encoding` says how it was read.
 * The mark is dropped; what is malformed becomes U+FFFD. Throws `document-unsupported` for bytes that are no text.
 */
export function decodeText(bytes: Uint8Array, declared?: string): DecodedText {
  const decoded = decodeBytes(bytes, declared)
  if (looksBinary(decoded.text)) {
    throw new AlcoveError('document-unsupported', 'Expected a document with text, got binary data of an unknown kind')
  }
  return decoded
}

function decodeBytes(bytes: Uint8Array, declared: string | undefined): DecodedText {
  const marked = byteOrderMark(bytes) ?? guessUtf16(bytes.subarray(0, SAMPLE_BYTES))
  if (!marked && decodesAs('utf-8', bytes.subarray(0, SAMPLE_BYTES)) !== undefined) {
    const text = decodesAs('utf-8', bytes)
    if (text !== undefined) return { text, encoding: 'utf-8' }
  }
  const encoding = marked ?? detectLegacy(bytes, declared)
  return { text: fixWindows1252(encoding, new TextDecoder(encoding).decode(bytes)), encoding }
}

/** The printable characters of windows-1252 between 0x80 and 0x9F. */
const WINDOWS_1252 = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ'

/** Node 20 reads windows-1252 as Latin-1, which has control characters there. Browsers never get past the test. */
function fixWindows1252(encoding: string, text: string): string {
  if (encoding !== 'windows-1252') return text
  return text.replace(/[\u0080-\u009f]/g, (control) => WINDOWS_1252[control.charCodeAt(0) - 0x80] ?? control)
}

/** Control characters have no place in text, but a few strays do no harm. */
function looksBinary(text: string): boolean {
  const sample = text.slice(0, 20_000)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is control characters that are counted
  const controls = sample.match(/[\u0000-\u0008\u000e-\u001a\u001c-\u001f]/g)?.length ?? 0
  const strange = sample.match(/\ufffd/g)?.length ?? 0
  return controls > 3 + sample.length * 0.005 || strange > 10 + sample.length * 0.2
}

/** Line ends of any system as `\n`. */
export function normalizeLineEnds(text: string): string {
  return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text
}
