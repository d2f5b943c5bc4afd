"""Servers outside: Chroma, the OpenAI-compatible endpoint, Firestore, the Realtime Database."""
