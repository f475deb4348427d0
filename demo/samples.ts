import type { DocumentInput } from 'alcove'

/** The documents that are put in on the first visit. Written for this demo. */
const SAMPLES = [
  { file: 'harbour-library-handbook.pdf', title: 'Harbour Library: staff handbook' },
  { file: 'lantern-walk-briefing.docx', title: 'Lantern walk: briefing for volunteers' },
  { file: 'tea-room-guide-zh.md', title: '竹里茶室使用指南' },
] as const

/** Fetches the sample documents from beside the page. What cannot be fetched is left out. */
export async function fetchSamples(): Promise<DocumentInput[]> {
  const found = await Promise.all(
    SAMPLES.map(async ({ file, title }): Promise<DocumentInput | undefined> => {
      const response = await fetch(`./documents/${file}`).catch(() => undefined)
      if (!response?.ok) return undefined
      return {
        id: `sample-${file}`,
        title,
        data: new File([await response.blob()], file),
        metadata: { sample: true, file },
      }
    }),
  )
  return found.filter((sample) => sample !== undefined)
}
