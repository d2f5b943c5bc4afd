"""Presence, and who listens to Firebase for whom: between the API's sockets and stores and gateways.

`service.listeners.service` puts it together; what Firestore and the Realtime Database tell becomes events.
"""
