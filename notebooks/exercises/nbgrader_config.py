"""How nbgrader builds and grades the exercises; it reads this file by itself."""

from pathlib import Path

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "rmkeras"
# The gradebook lies beside this file, wherever nbgrader is started from.
c.CourseDirectory.root = str(Path(__file__).resolve().parent)

# A student who deletes a check does not get rid of it.
c.OverwriteCells.add_missing_cells = True

# Seconds that one cell may take. The slowest takes a few on two cores.
c.Execute.timeout = 120

# nbgrader gives no points for a check that writes to standard error. A warning
# from NumPy or TensorFlow is no wrong answer, so it is dropped before the marking.
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = r"."

c.Application.log_level = "WARN"
