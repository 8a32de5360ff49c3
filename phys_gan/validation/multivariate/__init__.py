"""Distances between samples in many dimensions at once, on features of any kind."""
