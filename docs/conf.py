"""How the site is built: `make site`.

Sphinx reads a copy of the repository's pages and notebooks, not the repository:
`docs/_ext/course.py` stages them under the same relative paths, so that links
between them hold, and mends what only makes sense elsewhere (badges, links to
files that are no pages). Nothing is executed and nothing is fetched.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_ext")]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import rmkeras  # noqa: E402

project = "rmkeras"
author = "the rmkeras authors"
version = release = rmkeras.__version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    # Brings MathJax as files; it has to come after sphinx.ext.mathjax.
    "sphinx-mathjax-offline",
    "course",
    "api",
]
exclude_patterns = ["**/.ipynb_checkpoints"]
suppress_warnings = [
    # MathJax's options are MyST's own, told apart from anybody else's.
    "myst.mathjax",
]

# Notebooks are shown as they are committed: nbval is what runs them.
nb_execution_mode = "off"
# Widgets would be drawn by scripts from a CDN; their text alternative is printed.
nb_ipywidgets_js = {}
nb_merge_streams = True

myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 4
myst_dmath_double_inline = True

# The examples follow the text; a class shows what it defines itself.
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
autosummary_generate = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_custom_sections = [("Call arguments", "params_style")]
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 72
add_module_names = False
toc_object_entries_show_parents = "hide"

# A link into the package that leads nowhere is a warning, and warnings fail the
# build; names of other packages have no page here (`api.py` lets them pass).
nitpicky = True

# `make linkcheck` asks for every address outside; the tests do not.
linkcheck_timeout = 20
linkcheck_anchors = False

html_theme = "furo"
html_title = "rmkeras"
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path = ["_templates"]
html_show_copyright = False
html_copy_source = False
# From a file no page may read another, so that hits cannot show their text.
html_show_search_summary = False
html_domain_indices = False
html_show_sourcelink = False
html_theme_options = {"top_of_page_buttons": []}
pygments_style = "friendly"
