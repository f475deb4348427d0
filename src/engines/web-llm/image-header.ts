export interface ImageSize {
  readonly width: number
  readonly height: number
}

/**
 * Size of a PNG, JPEG, GIF or WebP from its header, before anything is decoded: a small file may claim a picture that no memory holds.
 * Undefined for what is none of them. (PNG 3, 11.2.1; JPEG, ITU-T T.81 B.2.2; GIF89a, 18; WebP, RFC 9649)
 */
export function readImageSize(bytes: Uint8Array): ImageSize | undefined {
  if (bytes.byteLength < 30) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const size = readPng(view) ?? readGif(view) ?? readWebP(view) ?? readJpeg(view)
  return size && size.width > 0 && size.height > 0 ? size : undefined
}

const textAt = (view: DataView, at: number, length: number) =>
  String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, length))

function readPng(view: DataView): ImageSize | undefined {
  if (view.getUint32(0) !== 0x89504e47 || textAt(view, 12, 4) !== 'IHDR') return undefined
  return { width: view.getUint32(16), height: view.getUint32(20) }
}

function readGif(view: DataView): ImageSize | undefined {
  if (!/^GIF8[79]a$/.test(textAt(view, 0, 6))) return undefined
  return { width: view.getUint16(6, true), height: view.getUint16(8, true) }
}

function readWebP(view: DataView): ImageSize | undefined {
  if (textAt(view, 0, 4) !== 'RIFF' || textAt(view, 8, 4) !== 'WEBP') return undefined
  const kind = textAt(view, 12, 4)
  if (kind === 'VP8 ') return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff }
  if (kind === 'VP8L') {
    const bits = view.getUint32(21, true)
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
  }
  if (kind !== 'VP8X') return undefined
  const threeBytes = (at: number) => view.getUint16(at, true) + (view.getUint8(at + 2) << 16)
  return { width: threeBytes(24) + 1, height: threeBytes(27) + 1 }
}

function readJpeg(view: DataView): ImageSize | undefined {
  if (view.getUint16(0) !== 0xffd8) return undefined
  // Segments, one after the other, up to the frame's.
  for (let at = 2; at + 9 <= view.byteLength; at += 2 + view.getUint16(at + 2)) {
    if (view.getUint8(at) !== 0xff) return undefined
    const marker = view.getUint8(at + 1)
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)
    if (isFrame) return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) }
  }
  return undefined
}
