/** A content word of a text: how it is compared, and where it stands. */
export interface Term {
  readonly term: string
  /** UTF-16 code units. */
  readonly start: number
  readonly end: number
}

const STOP_WORDS = new Set(
  (
    'a an and are as at be been being but by can could did do does for from had has have he her hers him his how i if in into is it its ' +
    'me my no nor not of on or our ours she should so some such than that the their theirs them then there these they this those to too ' +
    'was we were what when where which while who whom whose why will with would you your yours am about any also may might must shall ' +
    'up out over under again just only own same very s t d ll re ve name many much long kind type'
  ).split(' '),
)

/** Question words and particles that say nothing about the subject, as bigrams would take them in. */
const CHINESE_STOP =
  /是什么|什么|哪一?些|哪一?个|哪里|哪儿|哪|谁|多少|几|怎么样|怎么|怎样|如何|为什么|为何|何时|何|吗|呢|的|了|是|在|和|与|及|或|也|都|就|而|被|把|对|由|于|请问|？|，|。/gu

/** Whether a text is to be answered in Chinese: Han characters, without the kana of Japanese, are a good part of its letters. */
export function isChinese(text: string): boolean {
  const han = text.match(/\p{Script=Han}/gu)?.length ?? 0
  if (han === 0 || /[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text)) return false
  const others = text.match(/[\p{L}]+/gu)?.filter((word) => !/\p{Script=Han}/u.test(word)).length ?? 0
  return han >= others * 2
}

/** The content words of a text: stemmed, without stop words; bigrams of Chinese and Japanese characters. */
export function contentTerms(text: string): Term[] {
  const terms: Term[] = []
  const cleaned = text.replaceAll(CHINESE_STOP, (match) => ' '.repeat(match.length))
  for (const match of cleaned.matchAll(
    /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]+|[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}]|[.,'’](?=\p{N}|s\b)|['’-](?=\p{L}))*/gu,
  )) {
    const [word] = match
    const start = match.index
    if (/^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(word)) addBigrams(terms, word, start)
    else addWord(terms, word, start)
  }
  return terms
}

function addBigrams(terms: Term[], run: string, start: number): void {
  const characters = [...run]
  let at = start
  if (characters.length === 1) terms.push({ term: run, start, end: start + run.length })
  for (let index = 0; index + 1 < characters.length; index++) {
    const term = `${characters[index]}${characters[index + 1]}`
    terms.push({ term, start: at, end: at + term.length })
    at += characters[index]?.length ?? 1
  }
}

function addWord(terms: Term[], word: string, start: number): void {
  let from = start
  for (const piece of word.split(/([-‐–])/)) {
    const plain = piece
      .normalize('NFKD')
      .replaceAll(/\p{M}/gu, '')
      .toLowerCase()
      .replace(/['’]s$/, '')
    if (plain !== '' && /[\p{L}\p{N}]/u.test(plain) && !STOP_WORDS.has(plain)) {
      terms.push({ term: stem(plain), start: from, end: from + piece.length })
    }
    from += piece.length
  }
}

/** A light English stemmer: inflection only, applied to both sides alike. Other scripts come back as they are. */
export function stem(word: string): string {
  if (!/^[a-z]{4,}$/.test(word)) return word
  let root = word
  if (root.endsWith('ies')) root = `${root.slice(0, -3)}y`
  else if (/(?:ss|x|z|ch|sh)es$/.test(root)) root = root.slice(0, -2)
  else if (/[^su]s$/.test(root)) root = root.slice(0, -1)
  if (root === 'used' || root === 'using') root = 'use'
  else if (/(?:[aeiouy].*)ing$/.test(root) && root.length > 5) root = root.slice(0, -3)
  else if (/(?:[aeiouy].*)ed$/.test(root) && root.length > 4) root = root.slice(0, -2)
  else if (root.endsWith('ly') && root.length > 5) root = root.slice(0, -2)
  if (/([b-df-hj-km-np-rtv-z])\1$/.test(root)) root = root.slice(0, -1)
  if (root.endsWith('e') && root.length >= 3) root = root.slice(0, -1)
  return root.endsWith('y') && root.length > 3 ? `${root.slice(0, -1)}i` : root
}

/** How alike two terms are: 1 equal, less for a long common beginning (another form of the word), 0 otherwise. */
export function termSimilarity(first: string, second: string): number {
  if (first === second) return 1
  const longest = Math.max(first.length, second.length)
  if (longest < 5 || first.length < 4 || second.length < 4) return 0
  let common = 0
  while (common < first.length && first[common] === second[common]) common++
  return common >= 4 && common >= longest * 0.6 && /^[a-z]/.test(first) ? 0.6 : 0
}
