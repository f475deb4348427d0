import { serveMcp } from '../../../src/tools/mcp/start-serving.js'
import { tool } from '../../../src/tools/tool.js'

const tools = [
  tool({
    name: 'frame-title',
    description: 'Where it runs.',
    execute: () => (window === window.top ? 'outside' : 'inside'),
  }),
  tool({ name: 'draw', description: 'Draws.', execute: () => new Blob(['abc'], { type: 'image/png' }) }),
  tool({ name: 'never', description: 'Never ends.', execute: () => new Promise(() => {}) }),
]

addEventListener('message', ({ data, ports: [port], origin }) => {
  if (data === 'serve' && port && origin === location.origin) void serveMcp({ port, tools })
})
