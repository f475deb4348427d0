export {
  type ScriptedModel,
  type ScriptedModelOptions,
  type ScriptedToolCall,
  type ScriptedTurn,
  type ScriptedTurnSource,
  scriptedModel,
} from './engines/scripted.js'
export { type FakeClock, type FakeClockOptions, fakeClock } from './testing/fake-clock.js'
export { type HashEmbedderOptions, hashEmbedder } from './testing/hash-embedder.js'
export {
  type ModelRecording,
  type RecordedCall,
  type RecordedModel,
  recordModel,
  replayModel,
} from './testing/record-model.js'
