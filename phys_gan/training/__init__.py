"""The training loop, its methods, recipes and checkpoints; on Lightning Fabric."""

from phys_gan.training.loop import train
from phys_gan.training.recipe import Recipe, load_recipe, recipe_names
from phys_gan.training.stopping import Unfinished

__all__ = ["Recipe", "Unfinished", "load_recipe", "recipe_names", "train"]
