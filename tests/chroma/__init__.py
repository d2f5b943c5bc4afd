"""A real Chroma server for the tests. Its packages are a virtual environment of their own, made at the first use."""
