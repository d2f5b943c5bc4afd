"""Pure rules: what is true or allowed, given what was read. No I/O and no framework is imported here."""
