// The llama.cpp engine as one self-contained file.
export { createWllamaChat } from '../src/engines/wllama/chat.js'
