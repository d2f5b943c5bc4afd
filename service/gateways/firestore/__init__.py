"""Firestore: documents, and queries listened to over few gRPC streams. Importing `client` or `watch` imports grpc."""
