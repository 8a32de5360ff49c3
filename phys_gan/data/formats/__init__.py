"""The file layouts, one module each."""
