import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Starts the three origins that the tests need and names them in the environment, which the test workers inherit. */
export default async function startServers(): Promise<() => Promise<void>> {
  // @ts-expect-error a script of plain JavaScript without declarations
  const { serve, CONTENT_SECURITY_POLICY } = await import('../../scripts/serve.mjs')
  const models = [process.env.ALCOVE_MODELS_DIR, join(root, 'models')].filter(
    (path) => path !== undefined && existsSync(path),
  )
  const data = process.env.ALCOVE_DATA_DIR
  const mlc = process.env.ALCOVE_MLC_DIR
  const mounts = [
    ['/dist/', join(root, 'dist')],
    ['/pages/', join(root, '.alcove', 'pages')],
    ['/fixtures/', join(root, 'test', 'fixtures')],
    ['/pyodide/', join(root, 'node_modules', 'pyodide')],
    ...(mlc ? [['/models/', mlc]] : []),
    ...models.map((folder) => ['/models/', folder]),
    ...(data ? [['/documents/', join(data, 'documents')]] : []),
    ['/', join(root, 'demo', 'dist')],
  ]
  const policy = { 'content-security-policy': CONTENT_SECURITY_POLICY }
  const home = await serve({ mounts, headers: policy })
  const elsewhere = await serve({
    mounts,
    headers: { 'access-control-allow-origin': '*', 'cross-origin-resource-policy': 'cross-origin' },
  })
  // A page of a third party: its policy lets in our script from elsewhere, and workers only as Blobs.
  const other = new URL(elsewhere.url).origin
  const guest = await serve({
    mounts: [['/', join(root, 'test', 'browser', 'public')]],
    headers: {
      'content-security-policy': `default-src 'none'; script-src 'self' 'wasm-unsafe-eval' ${other}; worker-src blob:; connect-src 'self' ${other}; img-src data:`,
    },
  })
  process.env.ALCOVE_TEST_URL = home.url
  process.env.ALCOVE_TEST_GUEST_URL = guest.url
  process.env.ALCOVE_TEST_OTHER_URL = elsewhere.url
  return async () => {
    await Promise.all([home.close(), elsewhere.close(), guest.close()])
  }
}
