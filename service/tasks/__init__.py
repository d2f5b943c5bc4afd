"""Task types, a file each, and what the API and the workers both do with tasks: end them and tell of it.

Used by both sides: heavy libraries are imported in handlers, never at the top of a module.
"""
