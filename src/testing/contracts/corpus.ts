import { testAdding } from './corpus-adding.js'
import type { CreateCorpusContext } from './corpus-context.js'
import { testKeeping } from './corpus-keeping.js'
import { testSearching } from './corpus-searching.js'
import type { TestRunner } from './test-runner.js'

/** What every `Corpus` and its host must do, in the caller's thread or in a worker. `create` is called for each test. */
export function corpusContract(runner: TestRunner, create: CreateCorpusContext): void {
  testAdding(runner, create)
  testSearching(runner, create)
  testKeeping(runner, create)
}
