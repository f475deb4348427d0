/** Writing systems that search and prompts tell apart. */
export type Script = 'latin' | 'han' | 'kana' | 'hangul' | 'cyrillic' | 'arabic' | 'thai' | 'devanagari' | 'other'

/** Share of each script among the letters of a text, from 0 to 1; scripts that do not occur are absent. Empty without letters. */
export type ScriptShares = Readonly<Partial<Record<Script, number>>>

/** What a text is written in, as far as it shows. */
export interface WrittenIn {
  readonly scripts: ScriptShares
  /** ISO 639-1 code of a language in Latin script that its function words give away; undefined: not clear. */
  readonly language?: string
}

/** Longest piece of a text that is looked at, in UTF-16 code units. */
const sampleLength = 4000

const patterns: readonly (readonly [Script, RegExp])[] = [
  ['latin', /\p{sc=Latin}/gu],
  ['han', /\p{sc=Han}/gu],
  ['kana', /[\p{sc=Hiragana}\p{sc=Katakana}ー]/gu],
  ['hangul', /\p{sc=Hangul}/gu],
  ['cyrillic', /\p{sc=Cyrillic}/gu],
  ['arabic', /\p{sc=Arabic}/gu],
  ['thai', /\p{sc=Thai}/gu],
  ['devanagari', /\p{sc=Devanagari}/gu],
]

/** Languages that are not written in Latin script, by what they are written in. */
const languageScripts: Readonly<Record<string, readonly Script[]>> = {
  zh: ['han'],
  yue: ['han'],
  ja: ['han', 'kana'],
  ko: ['hangul', 'han'],
  ru: ['cyrillic'],
  uk: ['cyrillic'],
  be: ['cyrillic'],
  bg: ['cyrillic'],
  mk: ['cyrillic'],
  sr: ['cyrillic', 'latin'],
  kk: ['cyrillic'],
  mn: ['cyrillic'],
  ar: ['arabic'],
  fa: ['arabic'],
  ur: ['arabic'],
  th: ['thai'],
  hi: ['devanagari'],
  mr: ['devanagari'],
  ne: ['devanagari'],
  el: ['other'],
  he: ['other'],
  hy: ['other'],
  ka: ['other'],
  bn: ['other'],
  ta: ['other'],
  te: ['other'],
  kn: ['other'],
  ml: ['other'],
  gu: ['other'],
  pa: ['other'],
  si: ['other'],
  km: ['other'],
  lo: ['other'],
  my: ['other'],
  am: ['other'],
}

/** The commonest words of languages in Latin script: a quarter to a half of any running text. */
const functionWords: Readonly<Record<string, readonly string[]>> = {
  en: 'the of and to in is was that for with as on by at from are were it this which be or an his has have not'.split(
    ' ',
  ),
  de: 'der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er hat'.split(
    ' ',
  ),
  fr: 'de la le et les des en un une du est dans que pour par sur au qui plus pas il avec ce sont aux ou se'.split(' '),
  es: 'de la que el en y a los del se las por un para con una su al es lo como más fue entre sus este'.split(' '),
  it: 'di e il la che in un a per del della una con è non si da dei le sono al nel più gli come anche'.split(' '),
  pt: 'de a o que e do da em um para com não uma os no se na por mais as dos como foi ao ele das à'.split(' '),
  nl: 'de van het een en in is dat op te zijn met voor niet aan er ook als bij door maar naar uit wordt werd'.split(
    ' ',
  ),
  sv: 'och i att en som det av på är för den med till inte om ett han de har var vid från'.split(' '),
  pl: 'w i na z do się nie to jest że o od przez po jako dla są oraz został był roku'.split(' '),
  tr: 've bir bu ile için olarak da de en çok daha olan sonra gibi ancak kadar'.split(' '),
  vi: 'của và các là có được trong một những cho không với này người để đã từ'.split(' '),
  id: 'yang dan di dari untuk pada dengan ini dalam adalah tidak itu oleh ke sebagai'.split(' '),
  ro: 'și de în la a cu din pe care este un o pentru nu au fost mai ca prin'.split(' '),
  cs: 'a v se na je že s z do o jako by k ale pro byl po které jsou'.split(' '),
}
const languagesOfWord = indexWords()

function indexWords(): Map<string, string[]> {
  const index = new Map<string, string[]>()
  for (const [language, words] of Object.entries(functionWords)) {
    for (const word of words) index.set(word, [...(index.get(word) ?? []), language])
  }
  return index
}

/** Which scripts a text is written in, by their share of its letters. Looks at its first 4,000 characters. */
export function scriptsOf(text: string): ScriptShares {
  const sample = text.slice(0, sampleLength)
  const letters = sample.match(/\p{L}/gu)?.length ?? 0
  if (letters === 0) return {}
  const shares: Partial<Record<Script, number>> = {}
  let rest = letters
  for (const [script, pattern] of patterns) {
    const count = sample.match(pattern)?.length ?? 0
    if (count === 0) continue
    shares[script] = Math.min(count / letters, 1)
    rest -= count
  }
  if (rest > 0) shares.other = rest / letters
  return shares
}

/**
 * Whether most letters are in a script that one of these languages is written in. Also true where nothing is known: for
 * a text without letters, and for `undefined` languages.
 * @param languages ISO 639-1 codes, region and script subtags ignored; `*` or `mul` stands for all
 */
export function languagesMatch(scripts: ScriptShares, languages: readonly string[] | undefined): boolean {
  if (languages === undefined || languages.some((code) => code === '*' || code === 'mul')) return true
  const served = new Set(languages.flatMap((code) => languageScripts[baseCode(code)] ?? ['latin' as const]))
  const shares = Object.entries(scripts) as [Script, number][]
  if (shares.length === 0) return true
  return shares.reduce((sum, [script, share]) => sum + (served.has(script) ? share : 0), 0) >= 0.5
}

/**
 * The language of a text in Latin script by its function words (Ingle 1976, as trigram guessers do with letters), where there
 * are at least 20 words and one language stands out. Never a guess about a query of a few words.
 */
export function latinLanguageOf(text: string): string | undefined {
  const words =
    text
      .slice(0, sampleLength)
      .toLowerCase()
      .match(/[\p{sc=Latin}\p{M}]+/gu) ?? []
  if (words.length < 20) return undefined
  const counts = new Map<string, number>()
  for (const word of words) {
    for (const language of languagesOfWord.get(word) ?? []) counts.set(language, (counts.get(language) ?? 0) + 1)
  }
  const [first, second] = [...counts].sort((a, b) => b[1] - a[1])
  if (first === undefined || first[1] / words.length < 0.12) return undefined
  return second !== undefined && first[1] < second[1] * 1.3 ? undefined : first[0]
}

/** Scripts and, where it shows, language of a text. */
export function writtenIn(text: string): WrittenIn {
  const scripts = scriptsOf(text)
  const language = (scripts.latin ?? 0) >= 0.5 ? latinLanguageOf(text) : undefined
  return language === undefined ? { scripts } : { scripts, language }
}

/** Whether a model for these languages can be expected to understand a text; true where nothing is known. */
export function isServed({ scripts, language }: WrittenIn, languages: readonly string[] | undefined): boolean {
  if (!languagesMatch(scripts, languages)) return false
  if (language === undefined || languages === undefined) return true
  return languages.some((code) => code === '*' || code === 'mul' || baseCode(code) === language)
}

function baseCode(code: string): string {
  return code.toLowerCase().split('-', 1)[0] ?? ''
}
