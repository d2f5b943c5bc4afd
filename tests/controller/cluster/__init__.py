"""The operator as a process of this machine against a real API server, in a namespace of each test's own."""
