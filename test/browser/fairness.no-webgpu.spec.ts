import { expect, models, test } from './setup.js'

test.describe('runs that share the engine of a real worker', () => {
  test.skip(models.onnxChat === undefined, 'needs SmolLM2-135M-Instruct (ONNX) in ALCOVE_MODELS_DIR or models/')

  test('a chat goes before the other speakers of a group chat, and the background last', async ({ blank }) => {
    const found = await blank.evaluate(async (model) => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({
        model,
        allowRemoteModels: false,
        maxDownloadBytes: 200_000_000,
        storage: { name: 'fairness' },
      })
      // The first speaker goes on for so long that the others have come meanwhile.
      const agent = (name: string) =>
        alcove.agent({ name, sampling: { temperature: 0, maxTokens: name === 'Ann' ? 48 : 6 } })
      const ended: string[] = []
      const follow = async (name: string, run: ReturnType<ReturnType<typeof agent>['stream']>, onText = () => {}) => {
        const places: (number | undefined)[] = []
        for await (const part of run) {
          if (part.type === 'status' && part.status === 'queued') places.push(part.position)
          if (part.type === 'text-delta') onText()
          // Of a member's run, this is its last part.
          if (part.type === 'usage' && part.agentPath) ended.push(part.agentPath.at(-1) ?? '')
          if (part.type === 'finish') ended.push(part.finish.error?.code ?? name)
        }
        return places
      }
      await alcove.load()
      const agents = ['Ann', 'Bob', 'Cid', 'Dee'].map(agent)
      const group = alcove.groupChat({ agents, select: 'round-robin', perRound: 4, maxRounds: 1 })
      let talking: Promise<unknown> = Promise.resolve()
      await new Promise<void>((resolve) => {
        talking = follow('group', group.stream('Tell of a dog'), resolve)
      })
      const background = follow('background', agent('x').stream('In the night', { priority: 'background' }))
      const chat = await follow('chat', agent('y').stream('Once upon a time'))
      await talking
      const last = await background
      await alcove.close()
      return { ended, chat, last }
    }, models.onnxChat as string)
    expect(found.ended).toEqual(['Ann', 'chat', 'Bob', 'Cid', 'Dee', 'group', 'background'])
    expect(found.chat).toEqual([1])
    expect(Math.max(...found.last.map(Number))).toBeGreaterThan(3)
    expect(found.last.at(-1)).toBe(1)
  })
})
