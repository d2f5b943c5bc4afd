"""What an operator runs by hand in the image: `python -m service COMMAND`."""
