/** The library as it is published: benchmarks of the public interface measure the build, not the sources. */
export type AlcoveLibrary = typeof import('../../src/index.js')
export type AlcoveTesting = typeof import('../../src/testing.js')

/** The main entry of the build. */
export function loadAlcove(): Promise<AlcoveLibrary> {
  return importBuilt<AlcoveLibrary>('/dist/index.js')
}

/** The entry `alcove/testing` of the build. */
export function loadTesting(): Promise<AlcoveTesting> {
  return importBuilt<AlcoveTesting>('/dist/testing.js')
}

/** A module by its address, which a bundler must leave alone. */
export function importBuilt<Module>(path: string): Promise<Module> {
  return import(/* @vite-ignore */ new URL(path, globalThis.location.href).href) as Promise<Module>
}
