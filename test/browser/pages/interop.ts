// The real packages of other libraries, for the browser.
import { Chat, useChat } from '@ai-sdk/react'
import {
  embedMany,
  generateObject,
  generateText,
  jsonSchema,
  lastAssistantMessageIsCompleteWithApprovalResponses,
  Output,
  stepCountIs,
  streamText,
  tool,
} from 'ai'
import OpenAI from 'openai'
import { createElement, useState } from 'react'
import { createRoot } from 'react-dom/client'

export const packages = {
  OpenAI,
  Chat,
  embedMany,
  generateObject,
  generateText,
  jsonSchema,
  lastAssistantMessageIsCompleteWithApprovalResponses,
  Output,
  stepCountIs,
  streamText,
  tool,
  createElement,
  createRoot,
  useChat,
  useState,
}
