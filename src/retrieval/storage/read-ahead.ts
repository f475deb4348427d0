/** What `read` gives for each item, in order; the next one is being read while the caller is at work on this one. */
export async function* readAhead<Item, Value>(
  items: readonly Item[],
  read: (item: Item) => Promise<Value>,
): AsyncGenerator<readonly [Item, Value]> {
  let ahead: Promise<Value> | undefined
  for (const [at, item] of items.entries()) {
    const value = await (ahead ?? read(item))
    const next = items[at + 1]
    ahead = next === undefined ? undefined : read(next)
    // Who leaves early does not hear of it.
    ahead?.catch(() => {})
    yield [item, value]
  }
}
