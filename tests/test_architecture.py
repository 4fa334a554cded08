"""What holds for the repository as a whole, checked on its files."""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from features.covariates.dictionary import read_dictionary
from pipelines.config import read_config

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("features", "models", "evaluation", "pipelines")
NOT_A_TRAINING = {
    f"configs/{name}.yaml"
    for name in ("dictionary", "endpoints", "genetic_risk", "guard", "reference_study", "simulator")
}

# Joined here so that this file does not find itself.
MACHINE_PATHS = ["/" + folder + "/" for folder in ("work", "root", "home", "Users")]
INDEX_ADDRESSES = ["--index" + "-url", "--extra-index" + "-url", "/" + "simple"]


def repository_files():
    """Files in git, and new ones that git does not ignore."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs the git repository")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    return sorted(name for name in listed if (ROOT / name).is_file())


def modules():
    """Python files of the four packages, the empty __init__.py aside."""
    return [
        name
        for name in repository_files()
        if name.split("/")[0] in PACKAGES and name.endswith(".py") and "__init__" not in name
    ]


def folders_told(markdown):
    """The folders in the first fenced block, one at the start of each line."""
    block = re.search(r"^```\w*\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)
    return [line.split()[0].rstrip("/") for line in block.group(1).splitlines()] if block else []


def uses(source):
    """Names that a file imports or calls, dotted, wherever they stand in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute):
            found.add(ast.unparse(node))
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            found.add(f"allow_pickle={ast.unparse(node.value)}")
    return found


def imports(source):
    """Names that a file imports, dotted, wherever the import stands in it."""
    only_imports = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return uses("\n".join(ast.unparse(node) for node in only_imports))


def files_that_import(package):
    return {
        name
        for name in modules()
        if any(use.split(".")[0] == package for use in imports((ROOT / name).read_text("utf-8")))
    }


def unpickles(source):
    """What a file uses that would run code stored in a pickle."""
    picklers = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill"}
    calls = {"joblib.load", "joblib.dump", "allow_pickle=True"}
    return sorted(
        use
        for use in uses(source)
        if use.split(".")[0] in picklers
        or use in calls
        or use.split(".")[-1] in ("read_pickle", "to_pickle")
    )


def test_architecture_has_a_line_for_every_folder_and_no_other():
    told = folders_told((ROOT / "ARCHITECTURE.md").read_text("utf-8"))
    assert sorted(told) == sorted({str(Path(name).parent) for name in modules()})


def test_no_folder_holds_more_than_twelve_modules():
    held = Counter(Path(name).parent for name in modules() if "__main__" not in name)
    assert {str(folder): n for folder, n in held.items() if n > 12} == {}


def test_an_import_inside_a_function_is_seen():
    source = "def f():\n    import shap.plots\n    from joblib import load\n    return x.y.dump()\n"
    assert imports(source) == {"shap.plots", "joblib.load"}
    assert {"shap.plots", "joblib.load", "x.y.dump"} <= uses(source)


def test_mlflow_is_imported_in_few_places():
    found = files_that_import("mlflow")
    assert found, "mlflow is imported nowhere: does this test still read the files?"
    assert found <= {
        "models/store/loading.py",
        "models/store/registry.py",
        "models/store/version.py",
        "models/store/mlflow_entry.py",
        "pipelines/tracking/store.py",
        "pipelines/tracking/runs.py",
    }


def test_shap_makes_explanations_and_draws_them_and_is_imported_where_it_does():
    assert files_that_import("shap") == {
        "evaluation/displays/contributions.py",
        "evaluation/explanation/contributions.py",
        "evaluation/explanation/values.py",
        "evaluation/report/figures.py",
        "pipelines/comparison/model_effects.py",
        "pipelines/training/record.py",
    }
    # Importing it takes seconds: never at the top of a module, where it is for types alone.
    code = "import pipelines.train, pipelines.compare, sys; sys.exit('shap' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "def f():\n    from cloudpickle import loads",
        "from joblib import load",
        "import joblib\njoblib.load(path)",
        "pd.read_pickle(path)",
        "np.load(path, allow_pickle=True)",
    ],
)
def test_every_way_to_unpickle_is_seen(source):
    assert unpickles(source)


@pytest.mark.parametrize(
    "source", ["from joblib import Parallel", "np.load(path, allow_pickle=False)"]
)
def test_what_runs_no_stored_code_is_left_alone(source):
    assert not unpickles(source)


def test_nothing_is_stored_or_loaded_by_pickle():
    found = {name: unpickles((ROOT / name).read_text("utf-8")) for name in modules()}
    assert {name: how for name, how in found.items() if how} == {}


def test_no_file_names_a_machines_folder_or_a_package_index():
    found = []
    for name in repository_files():
        try:
            lines = (ROOT / name).read_text("utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{name}:{number}: {word}"
            for number, line in enumerate(lines, start=1)
            for word in (*MACHINE_PATHS, *INDEX_ADDRESSES)
            if word in line
        ]
    assert found == []


def training_configurations():
    paths = sorted((ROOT / "configs").rglob("*.yaml"))
    return [name for p in paths if (name := p.relative_to(ROOT).as_posix()) not in NOT_A_TRAINING]


def test_there_is_a_default_and_an_example_configuration():
    assert "configs/train.yaml" in training_configurations()
    assert any(name.startswith("configs/examples/") for name in training_configurations())


@pytest.mark.parametrize("name", training_configurations())
def test_every_training_configuration_is_one(name):
    config = read_config(ROOT / name)
    dictionary = read_dictionary(config.dictionary)
    # A column is mapped only to a covariate that the dictionary, or its own entries, know.
    assert set(config.cohort.columns.covariates) <= set(dictionary)


def test_the_dictionary_can_be_read():
    assert {"age_years", "disease", "mut_tp53"} <= set(read_dictionary())
