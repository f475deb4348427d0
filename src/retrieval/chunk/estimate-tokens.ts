/**
 * Tokens of a text, estimated from above, for when there is no tokenizer: a chunk that is measured with it stays under a model's limit.
 * Words of Latin letters count one for each three letters (WordPiece on English needs about one for each 4.5), digits and punctuation one
 * each, characters of other scripts one each, two for those outside the basic plane.
 */
export function estimateTokens(text: string): number {
  let tokens = 0
  for (const [word] of text.matchAll(/[\p{sc=Latin}\p{M}]+|\S/gu)) {
    tokens += /^\p{sc=Latin}/u.test(word) ? Math.ceil(word.length / 3) : word.length
  }
  return tokens
}
