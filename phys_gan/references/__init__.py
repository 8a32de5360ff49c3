"""What to cite: BibTeX entries, and which of them a recipe or a detector goes back to."""

from phys_gan.references.lookup import bibtex, detector_keys, known, recipe_references

__all__ = ["bibtex", "detector_keys", "known", "recipe_references"]
