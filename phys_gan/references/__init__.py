"""What to cite: BibTeX entries, and which of them a recipe or a detector goes back to."""

from phys_gan.references.collecting import recipe_references
from phys_gan.references.detectors import detector_keys
from phys_gan.references.lookup import bibtex, known

__all__ = ["bibtex", "detector_keys", "known", "recipe_references"]
