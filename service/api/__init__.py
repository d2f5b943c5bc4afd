"""HTTP and WebSocket: transport only."""
