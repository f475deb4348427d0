import { expect, models, test } from './setup.js'

test.describe('runs that share the engine of a real worker', () => {
  test.skip(models.onnxChat === undefined, 'needs SmolLM2-135M-Instruct (ONNX) in ALCOVE_MODELS_DIR or models/')

  test('a chat does not wait for all speakers of a group chat, and the background comes last', async ({ blank }) => {
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
        alcove.agent({ name, sampling: { temperature: 0, maxTokens: name === 'Ann' ? 160 : 6 } })
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
        talking = follow('group', group.stream('Tell a long story of a dog'), resolve)
      })
      const background = follow('background', agent('x').stream('In the night', { priority: 'background' }))
      const chat = await follow('chat', agent('y').stream('Once upon a time'))
      await talking
      const last = await background
      await alcove.close()
      return { ended, chat, last }
    }, models.onnxChat as string)
    // How soon the chat comes into the queue is the machine's; the order in it is tested with a model of a known speed in the unit tests.
    const others = found.ended.filter((name) => name !== 'chat')
    expect(others).toEqual(['Ann', 'Bob', 'Cid', 'Dee', 'group', 'background'])
    expect(found.ended.indexOf('chat')).toBeLessThan(found.ended.indexOf('Dee'))
    expect(found.chat.every((place) => place === 1)).toBe(true)
    expect(Math.max(...found.last.map(Number))).toBeGreaterThan(1)
    expect(found.last.at(-1)).toBe(1)
  })
})
