"""The Firebase Realtime Database over REST and server-sent events."""
