"""The ways to a cluster: one that is there already, kind, and one built from source."""
