"""Task types by a real worker: from the method to the result, and what is refused on the way."""
