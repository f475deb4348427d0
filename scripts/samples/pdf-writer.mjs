// A small PDF writer: the standard Helvetica fonts, flowing text in columns, tables, bookmarks and page numbers. Node only.

/** Widths of Helvetica's characters 32 to 126, in thousandths of the font size (Adobe font metrics of the standard 14 fonts). */
const REGULAR = [
  278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
  556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
  722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
  556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
  260, 334, 584,
]
/** Bold letters are at most this much wider than regular ones. */
const BOLD_FACTOR = 1.08

const PAGE_WIDTH = 595
const PAGE_HEIGHT = 842
const MARGIN = 56
const GUTTER = 24

/** @param {string} text @param {number} size @param {boolean} bold */
function widthOf(text, size, bold) {
  let width = 0
  for (const letter of text) width += REGULAR[letter.charCodeAt(0) - 32] ?? 556
  return (width * size * (bold ? BOLD_FACTOR : 1)) / 1000
}

/** @param {string} text @param {number} size @param {number} width @param {boolean} [bold] @returns {string[]} */
function wrap(text, size, width, bold = false) {
  const lines = ['']
  for (const word of text.split(' ')) {
    const longer = lines.at(-1) === '' ? word : `${lines.at(-1)} ${word}`
    if (widthOf(longer, size, bold) <= width) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}

/** @param {string} text */
const literal = (text) => `(${text.replace(/[\\()]/g, '\\$&')})`
/** @param {number} value */
const number = (value) => String(Math.round(value * 100) / 100)

/**
 * Draws blocks into pages. A block is `{ columns: 1 | 2, items: Item[] }`; an item is `{ title }` (of the document), `{ heading }`,
 * `{ text }`, `{ list: string[] }`, `{ table: string[][], widths }` or `{ pageBreak: true }`.
 * @param {readonly any[]} blocks
 */
function layOut(blocks) {
  /** @type {string[][]} */
  const pages = [[]]
  /** @type {{ title: string, page: number, y: number }[]} */
  const bookmarks = []
  let top = PAGE_HEIGHT - MARGIN
  const draw = (/** @type {string} */ command) => pages.at(-1)?.push(command)
  const write = (
    /** @type {string} */ text,
    /** @type {number} */ x,
    /** @type {number} */ y,
    /** @type {number} */ size,
    bold = false,
  ) => draw(`BT /${bold ? 'B' : 'R'} ${size} Tf ${number(x)} ${number(y)} Td ${literal(text)} Tj ET`)

  const drawTable = (
    /** @type {any} */ item,
    /** @type {number} */ x,
    /** @type {number} */ y,
    /** @type {number} */ width,
  ) => {
    const rowHeight = 19
    for (const [index, row] of item.table.entries()) {
      const baseline = y - rowHeight * (index + 1) + 6
      if (index === 0)
        draw(`0.91 0.94 0.93 rg ${number(x)} ${number(baseline - 6)} ${number(width)} ${rowHeight} re f 0 g`)
      let cell = x + 6
      for (const [column, text] of row.entries()) {
        write(text, cell, baseline, 9.5, index === 0)
        cell += (item.widths[column] / 100) * width
      }
      draw(`0.75 G 0.5 w ${number(x)} ${number(baseline - 6)} m ${number(x + width)} ${number(baseline - 6)} l S 0 G`)
    }
    return rowHeight * item.table.length + 12
  }

  /** Draws an item at a place and gives its height. @param {any} item @param {number} x @param {number} y @param {number} width */
  const drawItem = (item, x, y, width) => {
    if (item.table) return drawTable(item, x, y, width)
    if (item.title) {
      write(item.title, x, y - 22, 22, true)
      if (item.subtitle) write(item.subtitle, x, y - 42, 11)
      return 66
    }
    if (item.heading) {
      bookmarks.push({ title: item.heading, page: pages.length - 1, y })
      write(item.heading, x, y - 14, 13, true)
      return 26
    }
    const lines = item.list
      ? item.list.flatMap((/** @type {string} */ entry) =>
          wrap(entry, 10, width - 12).map((line, index) => ({ line, indent: 12, bullet: index === 0 })),
        )
      : wrap(item.text, 10, width).map((line) => ({ line, indent: 0, bullet: false }))
    for (const [index, { line, indent, bullet }] of lines.entries()) {
      const baseline = y - 10 - index * 14.5
      if (bullet) write('-', x, baseline, 10)
      write(line, x + indent, baseline, 10)
    }
    return lines.length * 14.5 + 9
  }

  for (const block of blocks) {
    if (block.pageBreak) {
      pages.push([])
      top = PAGE_HEIGHT - MARGIN
      continue
    }
    const width = (PAGE_WIDTH - 2 * MARGIN - (block.columns - 1) * GUTTER) / block.columns
    let lowest = top
    for (const [column, items] of block.flow.entries()) {
      let y = top
      for (const item of items) y -= drawItem(item, MARGIN + column * (width + GUTTER), y, width)
      lowest = Math.min(lowest, y)
    }
    if (lowest < MARGIN + 20) throw new Error(`page ${pages.length} is too full by ${MARGIN + 20 - lowest} points`)
    top = lowest - 6
  }
  return { pages, bookmarks }
}

/**
 * @param {{ title: string, footer: string, blocks: readonly any[] }} document
 * @returns {Uint8Array} the file
 */
export function writePdf({ title, footer, blocks }) {
  const { pages, bookmarks } = layOut(blocks)
  const count = pages.length
  const firstPage = 6
  const firstBookmark = firstPage + 2 * count
  const objects = [
    `<< /Type /Catalog /Pages 2 0 R /Outlines 5 0 R /PageMode /UseOutlines /Lang (en) >>`,
    `<< /Type /Pages /Count ${count} /Kids [${pages.map((_, page) => `${firstPage + 2 * page} 0 R`).join(' ')}] >>`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>',
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>',
    `<< /Type /Outlines /Count ${bookmarks.length} /First ${firstBookmark} 0 R /Last ${firstBookmark + bookmarks.length - 1} 0 R >>`,
  ]
  for (const [page, commands] of pages.entries()) {
    const line = `${footer}  -  Page ${page + 1} of ${count}`
    const x = (PAGE_WIDTH - widthOf(line, 9, false)) / 2
    const content = [...commands, `0.35 g BT /R 9 Tf ${number(x)} 32 Td ${literal(line)} Tj ET 0 g`].join('\n')
    objects.push(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${PAGE_WIDTH} ${PAGE_HEIGHT}] /Contents ${firstPage + 2 * page + 1} 0 R /Resources << /Font << /R 3 0 R /B 4 0 R >> >> >>`,
      `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    )
  }
  for (const [index, mark] of bookmarks.entries()) {
    const previous = index > 0 ? ` /Prev ${firstBookmark + index - 1} 0 R` : ''
    const next = index < bookmarks.length - 1 ? ` /Next ${firstBookmark + index + 1} 0 R` : ''
    objects.push(
      `<< /Title ${literal(mark.title)} /Parent 5 0 R${previous}${next} /Dest [${firstPage + 2 * mark.page} 0 R /XYZ 0 ${number(mark.y)} 0] >>`,
    )
  }
  objects.push(`<< /Title ${literal(title)} /Producer (Alcove samples) >>`)
  let file = '%PDF-1.7\n'
  const offsets = objects.map((object, index) => {
    const offset = file.length
    file += `${index + 1} 0 obj\n${object}\nendobj\n`
    return offset
  })
  const start = file.length
  file += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n`
  file += offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('')
  file += `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R /Info ${objects.length} 0 R >>\nstartxref\n${start}\n%%EOF\n`
  return Buffer.from(file, 'latin1')
}
