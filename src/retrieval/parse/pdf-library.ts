import type * as PdfJs from 'pdfjs-dist'

let library: Promise<typeof PdfJs> | undefined

/**
 * pdf.js, loaded once. The legacy build is taken for older browsers. Its worker part runs in this very thread, which is
 * a parse worker of ours (or Node): pdf.js finds it as `globalThis.pdfjsWorker`, which the import sets.
 */
export function loadPdfJs(): Promise<typeof PdfJs> {
  library ??= importPdfJs().catch((error) => {
    library = undefined
    throw error
  })
  return library
}

async function importPdfJs(): Promise<typeof PdfJs> {
  fillPromise()
  const scope = globalThis as { window?: unknown }
  // At its import in a worker, pdf.worker takes over the worker's own messages unless it sees a window.
  const isWorker = !('window' in scope)
  if (isWorker) scope.window = globalThis
  try {
    // @ts-expect-error the worker build has no types; it is imported for its effect
    await import('pdfjs-dist/legacy/build/pdf.worker.mjs')
  } finally {
    if (isWorker) delete scope.window
  }
  return (await import('pdfjs-dist/legacy/build/pdf.mjs')) as typeof PdfJs
}

/** The one thing that even the legacy build takes for granted and browsers of 2023 and Node 20 lack. */
function fillPromise(): void {
  if (typeof Promise.withResolvers === 'function') return
  Object.defineProperty(Promise, 'withResolvers', {
    configurable: true,
    writable: true,
    value<T>(): PromiseWithResolvers<T> {
      let resolve: PromiseWithResolvers<T>['resolve'] = () => {}
      let reject: PromiseWithResolvers<T>['reject'] = () => {}
      const promise = new Promise<T>((onResolve, onReject) => {
        resolve = onResolve
        reject = onReject
      })
      return { promise, resolve, reject }
    },
  })
}
