/** A tokenizer as a constraint needs it. */
export interface Vocabulary {
  /** Bytes of each token as a string of characters U+0000 to U+00FF; '' for one that writes no text. By token id. */
  readonly tokens: readonly string[]
  /** Tokens of a text in the middle of an answer. */
  encode(text: string): readonly number[]
}

/** The parts of a `tokenizer.json` that tell what its tokens stand for. */
interface TokenizerFile {
  readonly decoder?: DecoderFile | null
  readonly added_tokens?: readonly { readonly id: number; readonly content: string }[]
}

interface DecoderFile {
  readonly type?: string
  readonly decoders?: readonly DecoderFile[]
}

/**
 * Bytes of every token of a Hugging Face tokenizer: byte-level ones (GPT-2 and its heirs) and SentencePiece ones. Undefined for other
 * kinds, such as WordPiece.
 * @param textOf text of a token that stands outside of the model's vocabulary, '' for one that is no text
 */
export function readTokenBytes(
  file: unknown,
  vocabulary: ReadonlyMap<string, number>,
  textOf: (token: number, content: string) => string,
): readonly string[] | undefined {
  const { decoder, added_tokens: added = [] } = (file ?? {}) as TokenizerFile
  const types = decoderTypes(decoder)
  const toBytes = types.includes('ByteLevel')
    ? byteLevelReader()
    : types.some((type) => type === 'ByteFallback' || type === 'Metaspace' || type === 'Replace')
      ? readPiece
      : undefined
  if (toBytes === undefined) return undefined
  const tokens: string[] = []
  for (const [token, id] of vocabulary) tokens[id] = toBytes(token)
  for (const { id, content } of added) tokens[id] = utf8(textOf(id, content))
  return Array.from(tokens, (token) => token ?? '')
}

function decoderTypes(decoder: DecoderFile | null | undefined): string[] {
  if (!decoder) return []
  return [decoder.type ?? '', ...(decoder.decoders ?? []).flatMap(decoderTypes)]
}

const utf8 = (text: string) => Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('')

/** The bytes that GPT-2's table leaves as they are. */
const isKept = (byte: number) =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff)

/** Turns GPT-2's printable stand-ins back into bytes. */
function byteLevelReader(): (token: string) => string {
  const bytes = new Map<string, string>()
  let other = 0x100
  for (let byte = 0; byte < 256; byte++) {
    bytes.set(String.fromCharCode(isKept(byte) ? byte : other++), String.fromCharCode(byte))
  }
  return (token) => {
    let text = ''
    for (const character of token) {
      const byte = bytes.get(character)
      if (byte === undefined) return ''
      text += byte
    }
    return text
  }
}

function readPiece(token: string): string {
  const byte = /^<0x([\dA-F]{2})>$/i.exec(token)?.[1]
  return byte === undefined ? utf8(token.replaceAll('\u2581', ' ')) : String.fromCharCode(Number.parseInt(byte, 16))
}
