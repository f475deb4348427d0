// A tool: a function with a name, a sentence about what it does, and a schema that its input is held to.
import { type Alcove, tool } from 'alcove'

const reports: Record<string, string> = {
  Bergen: '8 degrees and rain',
  Lisbon: '24 degrees and sun',
  Oslo: '3 degrees and snow',
}

const getWeather = tool({
  name: 'get_weather',
  description: 'The weather in a city now.',
  input: { type: 'object', properties: { city: { enum: Object.keys(reports) } }, required: ['city'] },
  execute: ({ city }) => ({ city, weather: reports[String(city)] }),
})

/** `required` makes even a very small model look before it answers. */
export async function* askWeather(alcove: Alcove, question = 'What is the weather in Lisbon?') {
  const agent = alcove.agent({
    tools: [getWeather],
    toolChoice: 'required',
    sampling: { temperature: 0, maxTokens: 80 },
  })
  yield* agent.stream(question)
}
