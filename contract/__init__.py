"""What service and controller must agree on: names, shapes and documents, never behaviour.

Only the standard library and msgspec are imported here. Neither side imports the other; both import this.
"""
