"""What to cite: BibTeX entries, and those of a recipe or a detector."""

from phys_gan.references.lookup import bibtex, detector_keys, known, recipe_references

__all__ = ["bibtex", "detector_keys", "known", "recipe_references"]
