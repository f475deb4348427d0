// The WebLLM engine as one self-contained file.
export { webLlmChat } from '../src/engines/web-llm/chat.js'
