"""How Sphinx builds the documentation: ``make docs``."""

import shutil
from pathlib import Path

from phys_gan import __version__

project = "phys_gan"
author = "the phys_gan developers"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
# Notebooks are shown as they were last run; `make notebooks` runs them.
nb_execution_mode = "off"

html_theme = "furo"
html_title = f"phys_gan {version}"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
autodoc_typehints_description_target = "documented"
napoleon_use_rtype = False
napoleon_use_ivar = True


# Sphinx takes pages from this folder only. In the repository links lead from notebooks/ to docs/.
_HERE = Path(__file__).parent
shutil.rmtree(_HERE / "notebooks", ignore_errors=True)
shutil.copytree(_HERE.parent / "notebooks", _HERE / "notebooks")
for _page in (_HERE / "notebooks").glob("*.ipynb"):
    _page.write_text(_page.read_text("utf-8").replace("](../docs/", "](../"), "utf-8")
