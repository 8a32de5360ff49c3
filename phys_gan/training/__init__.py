"""The training loop, its methods, recipes and checkpoints; on Lightning Fabric."""

from phys_gan.training.loop import train
from phys_gan.training.recipe import Recipe, load_recipe, recipe_names

__all__ = ["Recipe", "load_recipe", "recipe_names", "train"]
