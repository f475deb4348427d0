import { expect, models, test } from './setup.js'

test.describe('a model of 135 million parameters', () => {
  test.skip(models.onnxChat === undefined, 'needs SmolLM2-135M-Instruct (ONNX) in ALCOVE_MODELS_DIR or models/')

  test('calls a tool, held to its schema, and its answer uses what the tool gave', async ({ blank }) => {
    const codes = ['4719-KX', '8032-QM']
    const answers = await blank.evaluate(
      async ([id, results]) => {
        const { createAlcove, tool } = await import('/dist/index.js')
        const alcove = createAlcove({ model: id, allowRemoteModels: false, storage: { name: 'small-model-calls' } })
        try {
          const found = []
          for (const code of results) {
            const inputs: unknown[] = []
            const getDoorCode = tool({
              name: 'get_door_code',
              description: 'The door code of a room.',
              input: {
                type: 'object',
                properties: { room: { enum: ['attic', 'cellar', 'garage'] } },
                required: ['room'],
              },
              execute: (input: unknown) => {
                inputs.push(input)
                return { room: 'cellar', code }
              },
            })
            const agent = alcove.agent({
              tools: [getDoorCode],
              toolChoice: 'required',
              sampling: { temperature: 0, maxTokens: 80 },
            })
            const { text, finish, usage } = await agent.generate('What is the door code of the cellar?')
            found.push({ text, finish, inputs, modelId: usage.modelId })
          }
          return found
        } finally {
          await alcove.close()
        }
      },
      [models.onnxChat as string, codes] as const,
    )
    for (const [at, { text, finish, inputs, modelId }] of answers.entries()) {
      expect(modelId).toBe(models.onnxChat)
      expect(inputs, 'one call, with an input that fits').toEqual([{ room: 'cellar' }])
      expect(text, 'what only the tool can know').toContain(codes[at])
      expect(text, 'words of the model, not a list of results').toMatch(/\bdoor code\b/)
      expect(finish.reason).toBe('stop')
    }
  })
})
