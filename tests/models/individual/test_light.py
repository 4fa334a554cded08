"""One patient is answered from a cold process: nothing heavy is imported for it."""

import subprocess
import sys

HEAVY = ("sklearn", "sksurv", "scipy", "xgboost", "mlflow", "numba", "pandas")


def test_the_folder_imports_nothing_heavy():
    code = (
        f"import sys, models.individual; print([name for name in {HEAVY} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
