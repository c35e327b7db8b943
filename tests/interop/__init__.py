"""The client against programs that others wrote; README.md lists them."""
