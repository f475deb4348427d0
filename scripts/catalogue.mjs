// The model catalogue, src/engines/choice/catalogue.json, against what can be checked here: WebLLM's own list in the installed package, and
// the configurations of the models in ALCOVE_MODELS_DIR. Without `--check` it also writes the figures of WebLLM's list into the catalogue,
// model-traits.json (what engines are told of a model) and weights/known-files.json (what files are checked by) from it. Where each other fact
// was read is in catalogue-sources.json: a fact without a source is an error.
//
//   node scripts/catalogue.mjs [--check]
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const folder = join(root, 'src/engines/choice')
const cataloguePath = join(folder, 'catalogue.json')
const traitsPath = join(folder, 'model-traits.json')
const sourcesPath = join(root, 'scripts/catalogue-sources.json')
const filesPath = join(root, 'src/engines/weights/known-files.json')

/** Fields that engines are told; the rest of an entry is for choosing. */
const TRAITS = [
  'trust',
  'dialect',
  'hubRepo',
  'dtype',
  'pooling',
  'selfHostedOnly',
  'revision',
  'queryPrefix',
  'documentPrefix',
]
/** What engines assume of a model that they are told nothing of. */
const DEFAULTS = { trust: 'answer', dialect: 'hermes' }
const USUAL_CONTEXT = { webllm: 4_096, wllama: 2_048, transformers: undefined }
const HASH = /^[0-9a-f]{64}$/
const REVISION = /^[0-9a-f]{40}$/

/** @param {any} entry @param {'chat' | 'embedding'} kind */
function traitsOf(entry, kind) {
  /** @type {Record<string, unknown>} */
  const traits = {}
  const usual = USUAL_CONTEXT[/** @type {'webllm'} */ (entry.id.slice(0, entry.id.indexOf(':')))]
  // The limit of an embedding model is the one that it was trained with, not that of its tokenizer.
  if (kind === 'embedding') traits.maxTokens = entry.contextTokens
  else if (entry.contextTokens !== usual) traits.contextTokens = entry.contextTokens
  for (const name of TRAITS) {
    const value = entry[name]
    if (value !== undefined && value !== DEFAULTS[/** @type {'trust'} */ (name)]) traits[name] = value
  }
  // To the search, no list means that nothing is known against a language.
  if (kind === 'embedding' && entry.languages && !entry.languages.includes('mul')) traits.languages = entry.languages
  return traits
}

/** What engines are told of each model, by id. @param {any} catalogue */
export function traitsFor(catalogue) {
  /** @type {Record<string, unknown>} */
  const all = {}
  for (const kind of /** @type {const} */ (['chat', 'embedding'])) {
    for (const entry of catalogue[kind]) {
      const traits = traitsOf(entry, kind)
      if (Object.keys(traits).length > 0) all[entry.id] = traits
    }
  }
  return all
}

/** Lengths and hashes of files, by the path of their folder on the hub: workers check by them what arrives. @param {any} catalogue */
export function filesFor(catalogue) {
  /** @type {Record<string, unknown>} */
  const all = {}
  for (const { id, hubRepo, revision, files } of [...catalogue.chat, ...catalogue.embedding]) {
    const repo = hubRepo ?? id.slice(id.indexOf(':') + 1).replace(/\/[^/]*\.gguf$/, '')
    if (files) all[`${repo}/resolve/${revision}/`] = files
  }
  return all
}

/** Bytes of keys and values of a token. @param {any} cache */
const cacheBytes = (cache) => 2 * cache.layers * cache.kvHeads * cache.headDim * cache.bytesPerNumber

/**
 * What WebLLM's list says otherwise than the catalogue.
 * @param {any} catalogue
 * @param {readonly any[]} list
 */
export function checkWebLlm(catalogue, list) {
  const problems = []
  const records = new Map(list.map((record) => [`webllm:${record.model_id}`, record]))
  for (const entry of [...catalogue.chat, ...catalogue.embedding]) {
    if (!entry.id.startsWith('webllm:')) continue
    const record = records.get(entry.id)
    if (!record) {
      problems.push(`${entry.id}: not in WebLLM's list`)
      continue
    }
    const is16Bit = /q\df16/.test(entry.id)
    const needed = ['webgpu', ...(record.required_features ?? []), ...(is16Bit ? ['shader-f16'] : [])]
    const expected = {
      memoryBytes: Math.round(record.vram_required_MB * 1e6),
      lowResource: record.low_resource_required || undefined,
      ...(record.overrides?.context_window_size && { contextTokens: record.overrides.context_window_size }),
    }
    for (const [field, value] of Object.entries(expected)) {
      if (entry[field] !== value) problems.push(`${entry.id}: ${field} is ${entry[field]}, WebLLM's list says ${value}`)
    }
    for (const feature of needed) {
      if (!entry.needs.includes(feature)) problems.push(`${entry.id}: needs ${feature}`)
    }
    for (const feature of entry.needs) {
      if (!needed.includes(feature))
        problems.push(`${entry.id}: does not need ${feature}, by WebLLM's list and its name`)
    }
    const isEmbedding = catalogue.embedding.includes(entry)
    if ((record.model_type === 1) !== isEmbedding) {
      problems.push(`${entry.id}: is ${isEmbedding ? 'no' : 'an'} embedding model, by WebLLM's list`)
    }
    if (entry.cache && entry.cache.bytesPerNumber !== (is16Bit ? 2 : 4)) {
      problems.push(`${entry.id}: its cache has numbers of ${is16Bit ? 2 : 4} bytes`)
    }
  }
  return problems
}

/** What is wrong with the catalogue in itself. @param {any} catalogue */
export function checkForm(catalogue) {
  const problems = []
  const ids = new Set()
  for (const entry of [...catalogue.chat, ...catalogue.embedding]) {
    const say = (/** @type {string} */ what) => problems.push(`${entry.id}: ${what}`)
    if (ids.has(entry.id)) say('is there twice')
    if (catalogue.embedding.includes(entry) && !Number.isInteger(entry.dimensions)) say('has no dimensions')
    if (catalogue.chat.includes(entry) && !entry.dialect) say('has no dialect')
    if (!entry.licence) say('has no licence')
    if (entry.leastDownloadBytes > entry.downloadBytes) say('its least download is longer than its download')
    ids.add(entry.id)
    for (const name of ['family', 'title', 'goodFor', 'contextTokens', 'needs', 'languages']) {
      if (entry[name] === undefined) say(`has no ${name}`)
    }
    if (entry.revision !== undefined && !REVISION.test(entry.revision)) say('its revision is no commit')
    for (const [file, facts] of Object.entries(entry.files ?? {})) {
      if (!HASH.test(facts.sha256)) say(`${file} has no SHA-256`)
      if (!Number.isInteger(facts.bytes)) say(`${file} has no length`)
      if (entry.revision === undefined) say(`${file} has a hash, but the model no revision`)
    }
    const known = Object.values(entry.files ?? {}).reduce((sum, { bytes }) => sum + bytes, 0)
    if (known > (entry.downloadBytes ?? Infinity)) say('its files are longer than its download')
    if (entry.cache && entry.memoryBytes !== undefined) {
      const rest = entry.memoryBytes - cacheBytes(entry.cache) * entry.contextTokens
      if (rest <= 0) say('its cache is larger than its memory')
      if (entry.id.startsWith('webllm:') && entry.downloadBytes > rest * 1.1)
        say('its download is larger than its memory')
    }
    if (entry.modelContextTokens < entry.contextTokens) say('its context is longer than the model was made for')
  }
  return problems
}

/** Facts that are looked up or measured, so that each needs a source. */
const FACTS = [
  'downloadBytes',
  'leastDownloadBytes',
  'memoryBytes',
  'files',
  'revision',
  'cache',
  'modelContextTokens',
  'licence',
  'languages',
  'pooling',
  'queryPrefix',
  'documentPrefix',
  'dimensions',
  'prefillTokensPerSecond',
]

/**
 * Facts without a source, and sources without a fact.
 * @param {any} catalogue
 * @param {any} given
 */
export function checkSources(catalogue, { sources, families, builds } = JSON.parse(readFileSync(sourcesPath, 'utf8'))) {
  const problems = []
  const entries = [...catalogue.chat, ...catalogue.embedding]
  for (const entry of entries) {
    const known = { ...families[entry.family], ...builds[entry.id] }
    if (entry.id.startsWith('webllm:')) known.memoryBytes = 'web-llm'
    for (const fact of FACTS) {
      if (entry[fact] !== undefined && known[fact] === undefined) problems.push(`${entry.id}: ${fact} has no source`)
    }
    for (const [fact, source] of Object.entries(known)) {
      if (!(source in sources)) problems.push(`${entry.id}: ${fact} has a source '${source}' that is not described`)
    }
    for (const fact of Object.keys(builds[entry.id] ?? {})) {
      if (entry[fact] === undefined) problems.push(`${entry.id}: a source for ${fact}, which it has not`)
    }
  }
  for (const id of Object.keys(builds)) {
    if (!entries.some((entry) => entry.id === id)) problems.push(`${id}: has sources, but is not in the catalogue`)
  }
  return problems
}

/**
 * What the configurations of models on this machine say otherwise than the catalogue.
 * @param {any} catalogue
 * @param {string} modelsFolder
 */
export function checkLocal(catalogue, modelsFolder) {
  const problems = []
  const checked = []
  for (const entry of [...catalogue.chat, ...catalogue.embedding]) {
    const repo = entry.id.slice(entry.id.indexOf(':') + 1).replace(/\/[^/]*\.gguf$/, '')
    const configPath = join(modelsFolder, repo, 'config.json')
    if (!existsSync(configPath)) continue
    checked.push(entry.id)
    const config = JSON.parse(readFileSync(configPath, 'utf8'))
    const expected = {
      ...(entry.cache && {
        layers: [entry.cache.layers, config.num_hidden_layers],
        kvHeads: [entry.cache.kvHeads, config.num_key_value_heads],
        headDim: [entry.cache.headDim, config.head_dim ?? config.hidden_size / config.num_attention_heads],
      }),
      ...(entry.modelContextTokens && { context: [entry.modelContextTokens, config.max_position_embeddings] }),
      ...(entry.dimensions && { dimensions: [entry.dimensions, config.hidden_size] }),
    }
    for (const [field, [own, theirs]] of Object.entries(expected)) {
      if (own !== theirs) problems.push(`${entry.id}: ${field} is ${own}, its configuration says ${theirs}`)
    }
    const weights = join(modelsFolder, repo, 'onnx')
    if (entry.id.startsWith('transformers:') && existsSync(weights)) {
      const bytes = readdirSync(weights).reduce((sum, file) => sum + statSync(join(weights, file)).size, 0)
      const told = entry.leastDownloadBytes ?? entry.downloadBytes
      if (Math.abs(bytes - told) > told * 0.1) {
        problems.push(`${entry.id}: a download of ${told} bytes, ${bytes} of weights are here`)
      }
    }
  }
  return { problems, checked }
}

/** Whether the two files that are written from the catalogue still say what it says. @param {any} catalogue */
export function checkWritten(catalogue) {
  const written = /** @type {const} */ ([
    [traitsPath, traitsFor(catalogue)],
    [filesPath, filesFor(catalogue)],
  ])
  return written
    .filter(([path, expected]) => JSON.stringify(JSON.parse(readFileSync(path, 'utf8'))) !== JSON.stringify(expected))
    .map(([path]) => `${path.slice(root.length + 1)} is not what the catalogue says: run node scripts/catalogue.mjs`)
}

async function main() {
  const isCheck = process.argv.includes('--check')
  const catalogue = JSON.parse(readFileSync(cataloguePath, 'utf8'))
  const packageFile = createRequire(import.meta.url).resolve('@mlc-ai/web-llm/package.json')
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8'))
  const { prebuiltAppConfig } = await import(pathToFileURL(join(dirname(packageFile), 'lib/index.js')).href)
  if (!isCheck) {
    const records = new Map(
      prebuiltAppConfig.model_list.map((/** @type {any} */ one) => [`webllm:${one.model_id}`, one]),
    )
    catalogue.webLlm = version
    for (const entry of [...catalogue.chat, ...catalogue.embedding]) {
      const record = records.get(entry.id)
      if (record) entry.memoryBytes = Math.round(record.vram_required_MB * 1e6)
    }
    writeFileSync(cataloguePath, `${JSON.stringify(catalogue, null, 2)}\n`)
    writeFileSync(filesPath, `${JSON.stringify(filesFor(catalogue), null, 2)}\n`)
    writeFileSync(traitsPath, `${JSON.stringify(traitsFor(catalogue), null, 2)}\n`)
  }
  const list = prebuiltAppConfig.model_list
  const problems = [...checkForm(catalogue), ...checkWebLlm(catalogue, list), ...checkSources(catalogue)]
  if (catalogue.webLlm !== version) problems.push(`checked against WebLLM ${catalogue.webLlm}, installed is ${version}`)
  problems.push(...checkWritten(catalogue))
  const local = process.env.ALCOVE_MODELS_DIR ? checkLocal(catalogue, process.env.ALCOVE_MODELS_DIR) : undefined
  problems.push(...(local?.problems ?? []))
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  const count = catalogue.chat.length + catalogue.embedding.length
  process.stdout.write(
    `${count} models, WebLLM ${version}, ${local?.checked.length ?? 0} compared with files here: ${problems.length} problems\n`,
  )
  if (problems.length > 0) process.exitCode = 1
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main()
