/** Values from a callback, for one `for await` loop. */
export interface PartQueue<T> extends AsyncIterable<T> {
  push(value: T): void
  /** The loop ends when it has read what was pushed. */
  end(): void
  /** The loop throws when it has read what was pushed. */
  fail(error: unknown): void
}

/** A queue between a callback that cannot wait and one reader. What comes after `end` or `fail` is dropped. */
export function createPartQueue<T>(): PartQueue<T> {
  const values: T[] = []
  let outcome: { readonly error?: unknown; readonly failed: boolean } | undefined
  let wake = () => {}

  const settle = (next: NonNullable<typeof outcome>) => {
    outcome ??= next
    wake()
  }
  async function* read(): AsyncGenerator<T> {
    for (;;) {
      while (values.length > 0) yield values.shift() as T
      if (outcome?.failed) throw outcome.error
      if (outcome) return
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  return {
    push(value) {
      if (outcome) return
      values.push(value)
      wake()
    },
    end: () => settle({ failed: false }),
    fail: (error) => settle({ failed: true, error }),
    [Symbol.asyncIterator]: read,
  }
}
