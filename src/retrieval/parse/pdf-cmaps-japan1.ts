/** Character maps of the collection Adobe-Japan1, as `data:` URLs. The encodings UTF-8 and UTF-32 are no part of PDF. */
export const files: Readonly<Record<string, string>> = import.meta.glob(
  [
    '../../../node_modules/pdfjs-dist/cmaps/{78,83,90,Add,EUC,Ext,H,Hankaku,Hiragana,Katakana,NWP,RKSJ,Roman,UniJIS,V,WP,Adobe-Japan1-UCS2}*.bcmap',
    '!../../../node_modules/pdfjs-dist/cmaps/{HK*,*UTF8*,*UTF32*}.bcmap',
  ],
  { query: '?url&inline', import: 'default', eager: true },
)
