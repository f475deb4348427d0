// The llama.cpp engine as one self-contained file.
export { wllamaChat } from '../src/engines/wllama.js'
