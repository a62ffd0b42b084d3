"""Conversations with a model behind a server that speaks the protocol OpenAI Realtime, by text."""
