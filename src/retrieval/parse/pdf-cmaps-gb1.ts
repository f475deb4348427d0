/** Character maps of the collection Adobe-GB1, as `data:` URLs. The encodings UTF-8 and UTF-32 are no part of PDF. */
export const files: Readonly<Record<string, string>> = import.meta.glob(
  [
    '../../../node_modules/pdfjs-dist/cmaps/{GB,UniGB-U,Adobe-GB1-UCS2}*.bcmap',
    '!../../../node_modules/pdfjs-dist/cmaps/*{UTF8,UTF32}*.bcmap',
  ],
  { query: '?url&inline', import: 'default', eager: true },
)
