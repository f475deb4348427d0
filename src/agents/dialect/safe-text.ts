/**
 * Text of others (documents, results of tools) for a prompt: a space stands in what looks like a tag of a chat template, so that it cannot
 * end its turn or begin one, and in the given tags.
 */
export function safeText(text: string, tags: readonly string[] = []): string {
  let safe = text.replaceAll(/<(?=\|[\w/])|<(?=(?:start|end)_of_turn>)|<(?=\/?s>)|\[(?=\/?INST\])/g, '$& ')
  for (const tag of tags) safe = safe.replaceAll(tag, () => `${tag.charAt(0)} ${tag.slice(1)}`)
  return safe
}
