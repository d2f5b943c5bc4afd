"""kubectl pinnokio."""
