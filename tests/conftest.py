"""A simulated cohort with a known truth, one fitted model a learner, and throwaway stores."""

import contextlib
import ctypes
import glob
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.covariates.derived import derive_covariates, needed_inputs
from features.covariates.dictionary import read_dictionary
from features.dataset import Dataset
from features.outcome import Outcome
from features.regimens.column import RegimenColumn
from models.card import ModelCard, covariate_ranges, software_versions
from models.fit import fit_model
from models.learners.registry import LEARNERS

# Of the throwaway PostgreSQL server.
PASSWORD = "s3cr/t@pass%wörd"
# A prime that no feature, tree or grid has, so that a stored patient row would be seen.
N_PATIENTS = 83
COVARIATES = ("age_years", "hb_g_per_l", "disease", "mut_tp53", "log_wbc")
# Small enough for a test, otherwise as shipped.
SMALL = {
    "kaplan_meier": {},
    "genetic_risk": {},
    "cox_clinical": {},
    "cox": {},
    "forest": {"n_estimators": 20},
    "extra_trees": {"n_estimators": 20},
    "gradient_boosting": {"n_estimators": 20},
    "xgboost_cox": {"n_estimators": 20},
    "xgboost_aft": {"n_estimators": 40, "learning_rate": 0.1},
    "stack": {"members": {"cox": {}, "forest": {"n_estimators": 10}}},
}


def pytest_collection_modifyitems(items):
    """Commands first: their files are the longest, and one process has to do a whole file."""
    items.sort(key=lambda item: item.path.parent.name != "pipelines")


@pytest.fixture(scope="session")
def inputs():
    """Dictionary columns before anything is missing, so that the truth can be computed."""
    rng = np.random.default_rng(20)
    return pd.DataFrame(
        {
            "age_years": rng.normal(62, 11, N_PATIENTS).clip(20, 88).round(),
            "hb_g_per_l": rng.normal(90, 15, N_PATIENTS).clip(50, 150).round(),
            "disease": np.where(
                np.arange(N_PATIENTS) < 3,
                "T-ALL",  # rarer than the five patients that a level of its own needs
                rng.choice(["AML de novo", "AML secondary"], N_PATIENTS, p=[0.6, 0.4]),
            ).astype(object),
            "mut_tp53": rng.binomial(1, 0.3, N_PATIENTS).astype(float),
            "wbc_1e9_per_l": rng.lognormal(1.2, 1.2, N_PATIENTS).round(1),
        }
    )


@pytest.fixture(scope="session")
def regimen():
    return (
        np.random.default_rng(21).choice(["HMA", "LDAC"], N_PATIENTS, p=[0.6, 0.4]).astype(object)
    )


@pytest.fixture(scope="session")
def linear_predictor(inputs, regimen):
    """The truth: log hazard of each patient."""
    return (
        0.05 * (inputs["age_years"] - 62)
        + 1.5 * inputs["mut_tp53"]
        + 0.8 * (inputs["disease"] == "AML secondary")
        + 0.5 * (regimen == "LDAC")
    ).to_numpy()


@pytest.fixture(scope="session")
def outcome(linear_predictor):
    """Exponential times, median about 7 months, censored uniformly between 6 and 40."""
    rng = np.random.default_rng(22)
    event_time = rng.exponential(10 / np.exp(linear_predictor - linear_predictor.mean()))
    censoring = rng.uniform(6, 40, N_PATIENTS)
    # Two decimals: some event times are tied, none is 0.
    time = np.minimum(event_time, censoring).round(2).clip(min=0.01)
    return Outcome(time, event_time <= censoring)


@pytest.fixture(scope="session")
def dictionary():
    return read_dictionary()


@pytest.fixture(scope="session")
def known_inputs(inputs):
    """The columns as a hospital has them: a tenth is missing, except for age."""
    known = np.random.default_rng(23).random(inputs.shape) > 0.1
    known[:, 0] = True
    return inputs.where(known, np.nan).assign(
        disease=inputs["disease"].where(known[:, 2], None).astype(object)
    )


@pytest.fixture(scope="session")
def dataset(known_inputs, regimen, outcome, dictionary):
    covariates = derive_covariates(known_inputs, COVARIATES, dictionary)
    return Dataset(covariates, regimen, None, outcome)


@pytest.fixture(scope="session")
def small_params():
    """Parameters of each learner that fit within milliseconds."""
    return SMALL


@pytest.fixture(scope="session")
def models(dataset):
    """One fitted model a learner."""
    return {name: fit_model(name, SMALL[name], dataset, seed=1) for name in LEARNERS}


@pytest.fixture(scope="session")
def card(dataset, known_inputs, dictionary):
    """The card of the Cox model; another learner's is a copy with its name."""
    return ModelCard(
        learner="cox",
        learner_label=LEARNERS["cox"].label,
        params={},
        endpoint="OS",
        follow_up=dataset.outcome.follow_up,
        horizons=(6.0, 12.0),
        covariates=COVARIATES,
        inputs=tuple(needed_inputs(COVARIATES, dictionary).values()),
        sources={
            "hb_g_per_l": {"column": "hgb", "unit": "g/dL"},
            "disease": {
                "column": "diagnosis",
                "values": {"de novo": "AML de novo", "s-AML": "AML secondary"},
            },
        },
        ranges=covariate_ranges(known_inputs),
        arms=("LDAC", "HMA"),
        regimen=RegimenColumn(
            column="treatment", values={"VEN-AZA": "HMA", "VEN-LDAC": "LDAC"}, reference_arm="LDAC"
        ),
        training={
            "cohort": "simulated",
            "provenance": "simulated for tests",
            "patients": N_PATIENTS,
            "events": dataset.outcome.n_events,
        },
        versions=software_versions(),
    )


@pytest.fixture(scope="session")
def store_folder(tmp_path_factory):
    """A migrated SQLite store, made once because the migration takes seconds."""
    from pipelines.tracking.store import make

    folder = tmp_path_factory.mktemp("store")
    make(folder / "mlflow.db")
    return folder


@pytest.fixture(scope="session")
def connect_to_store(store_folder):
    """Point a MonkeyPatch, and with it MLflow, at the store of this session.

    The working folder moves too, because MLflow puts the artifacts of a given store there.
    """
    import mlflow

    def connect(patch):
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store_folder / 'mlflow.db'}")
        patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        patch.chdir(store_folder)
        mlflow.set_tracking_uri(f"sqlite:///{store_folder / 'mlflow.db'}")
        return store_folder

    return connect


@pytest.fixture
def mlflow_store(monkeypatch, connect_to_store):
    """Folder of a store that no other program knows, for one test."""
    return connect_to_store(monkeypatch)


# capabilities(7): what lets root write to what is protected against writing; its bit of the set.
CAP_DAC_OVERRIDE = 1 << 1
CAPABILITY_VERSION_3 = 0x20080522


@contextlib.contextmanager
def _without_roots_right():
    """Take root's right to write everywhere from this thread; another user has none."""
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root may write everywhere")
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    held = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice
    assert libc.capget(header, held) == 0, os.strerror(ctypes.get_errno())
    less = (ctypes.c_uint32 * 6)(*held)
    less[0] &= ~CAP_DAC_OVERRIDE
    assert libc.capset(header, less) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        assert libc.capset(header, held) == 0, os.strerror(ctypes.get_errno())


@pytest.fixture(scope="session")
def protected():
    """A context in which nothing below a folder can be written, not even by root."""

    @contextlib.contextmanager
    def protect(folder):
        every = [folder, *folder.rglob("*")]
        modes = {path: path.stat().st_mode for path in every}
        for path in every:
            path.chmod(modes[path] & ~0o222)
        try:
            with _without_roots_right():
                yield
        finally:
            for path in every:
                path.chmod(modes[path])

    return protect


@pytest.fixture(scope="session")
def postgres():
    """Parts of the URL of an empty server: user, password, host, port, database."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if not found:
        pytest.skip("needs PostgreSQL's server binaries")
    # PostgreSQL refuses to run as root; Debian's package brings the user postgres.
    as_root = os.geteuid() == 0
    if as_root and not shutil.which("runuser"):
        pytest.skip("needs runuser, as root cannot run PostgreSQL")
    prefix = ["runuser", "-u", "postgres", "--"] if as_root else []
    folder = Path(tempfile.mkdtemp(prefix="vensurv-pg-"))
    (folder / "password").write_text(PASSWORD, encoding="utf-8")
    if as_root:
        shutil.chown(folder, "postgres")
        shutil.chown(folder / "password", "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bins, data = Path(found[-1]).parent, folder / "data"

    def run(program, *arguments):
        subprocess.run(
            [*prefix, str(bins / program), "-D", str(data), *arguments],
            check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=120,
        )  # fmt: skip

    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        run("initdb", "-U", "reader", "-E", "UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256",
            f"--pwfile={folder / 'password'}")  # fmt: skip
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
    except (subprocess.SubprocessError, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL does not start here: {error}")
    try:
        yield {"user": "reader", "password": PASSWORD, "host": "127.0.0.1", "port": port,
               "database": "postgres"}  # fmt: skip
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
