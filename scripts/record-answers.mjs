// Records what a small real model answers over passages: test/fixtures/grounding/answers.json, which the tests and `npm run bench -- grounding`
// replay. Needs a build and the models. `node scripts/record-answers.mjs [model id]`
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { serve } from './serve.mjs'
import { ensureBrowser, root } from './setup.mjs'

const folder = join(root, 'test', 'fixtures', 'grounding')
const modelId = process.argv[2] ?? 'transformers:SmolLM2-135M-Instruct'

/** Asks every question in one page, each with its own passage as all that the search finds. */
function answerAll([questions, id, modelBaseUrl]) {
  const ask = async () => {
    const { createAlcove } = await import(new URL('/dist/index.js', location.href).href)
    const alcove = createAlcove({ model: id, modelBaseUrl, allowRemoteModels: false, cache: false })
    const answers = {}
    for (const { id: name, title, passage, question } of questions) {
      const source = { id: name, title, headings: [] }
      const hit = { id: `${name}#0`, text: passage, score: 1, ranks: {}, source, span: [0, passage.length] }
      const corpus = { name, search: async () => [hit] }
      const agent = alcove.agent({ corpus, context: { targetFirstTokenMs: 120_000 }, sampling: { temperature: 0 } })
      let draft = ''
      let refused = false
      for await (const part of agent.stream(question)) {
        if (part.type === 'text-delta' && part.role === 'draft') draft += part.text
        if (part.type === 'error') throw new Error(`${name}: ${part.error.message}`)
        if (part.type === 'finish') refused = draft === ''
      }
      answers[name] = refused ? null : draft
      console.log(`${name}: ${draft}`)
    }
    await alcove.close()
    return answers
  }
  return ask()
}

async function main() {
  const models = [process.env.ALCOVE_MODELS_DIR, join(root, 'models')].filter((path) => path && existsSync(path))
  if (models.length === 0) throw new Error('no models: name their folder in ALCOVE_MODELS_DIR, or run `npm run models`')
  const site = await serve({
    mounts: [
      ['/dist/', join(root, 'dist')],
      ...models.map((path) => ['/models/', path]),
      ['/', join(root, 'bench', 'page')],
    ],
  })
  const { chromium } = await import('@playwright/test')
  const browser = await chromium.launch({
    executablePath: await ensureBrowser(),
    args: ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  })
  try {
    const page = await browser.newPage()
    page.on('console', (message) => console.log(`  ${message.text()}`))
    await page.goto(site.url)
    const questions = JSON.parse(readFileSync(join(folder, 'questions.json'), 'utf8'))
    const answers = await page.evaluate(answerAll, [questions, modelId, `${site.url}models/`])
    const text = JSON.stringify({ model: modelId, sampling: { temperature: 0 }, answers }, null, 2)
    writeFileSync(join(folder, 'answers.json'), `${text}\n`)
  } finally {
    await browser.close()
    await site.close()
  }
}

main().catch((error) => {
  console.error(error.stack ?? error)
  process.exitCode = 1
})
