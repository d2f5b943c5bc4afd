"""A stand-in for an OpenAI-compatible endpoint: its protocol over real sockets, its answers made from the text sent."""
