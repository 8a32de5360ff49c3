"""What is measured on images, (N, rows, columns) at once: each module has one idea.

Positions are in pixels, x along the columns and y along the rows, and (0, 0) is the centre of the
first pixel; observables are in arcsec from the middle of the image.
"""
