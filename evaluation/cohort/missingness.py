"""Which values are missing, for whom together, and which of them could not exist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from evaluation.cohort.small_cells import HIDDEN, cells_to_hide, is_small
from evaluation.displays import FONT_SIZE, OKABE_ITO
from features.covariates import Covariate

KNOWN, STRUCTURAL, UNKNOWN = STATES = ("known", "structural", "unknown")
# Beyond this many patients, patterns narrower than a thousandth of the map are left out of it.
MANY_PATIENTS = 2000

_COLORS = {KNOWN: "#EDF0F2", STRUCTURAL: OKABE_ITO["orange"], UNKNOWN: "#333333"}
_HATCH = "////"
# Where the bars begin and how long 100% is, in widths of the map.
_BARS, _BAR_LENGTH = 1.06, 0.3


def missingness_counts(
    inputs: pd.DataFrame,
    dictionary: Mapping[str, Covariate],
    structural: pd.DataFrame | None = None,
    *,
    suppress_below: int | None = None,
) -> pd.DataFrame:
    """Count the known, the structurally missing and the unknown values of each covariate.

    Parameters
    ----------
    inputs : DataFrame of shape (n, p)
        Covariates before imputation.
    dictionary : mapping of name -> Covariate
    structural : DataFrame of shape (n, p), bool, optional
        True where a value cannot exist (a refractory patient's first remission). It counts only
        where the value is indeed missing.
    suppress_below : int, optional
        Hide counts from 1 to this number less one, and what would give them away.

    Returns
    -------
    DataFrame
        One row a covariate, in the order of `inputs`: covariate, label, known, structural, unknown
        (patients; missing where hidden), share_unknown (of the patients in whom the value can
        exist, 0 to 1; missing where hidden or where it can exist in nobody).
    """
    states = _states(inputs, structural)
    counts = np.stack([(states == i).sum(axis=0) for i in range(3)], axis=1)
    hidden = np.zeros(counts.shape, dtype=bool)
    if suppress_below:
        hidden = np.array([_hidden(row, suppress_below) for row in counts], dtype=bool)
    table = pd.DataFrame(counts, columns=list(STATES)).astype("Int64").mask(hidden)
    table.insert(0, "covariate", list(inputs))
    table.insert(1, "label", [dictionary[name].label for name in inputs])
    can_exist = (len(inputs) - table[STRUCTURAL]).replace(0, pd.NA)
    return table.assign(share_unknown=(table[UNKNOWN] / can_exist).astype("Float64"))


def _hidden(counts: np.ndarray, limit: int) -> np.ndarray:
    """Which of known, structural and unknown to hide, given that Table 1 tells the missing."""
    split = np.array([counts[0], counts[1:].sum()])
    if is_small(split, limit).any():
        last = np.array([False, True, True])
        return cells_to_hide(counts[:, None], limit, last)[:, 0]
    return np.append(False, cells_to_hide(counts[1:, None], limit)[:, 0])


def _states(inputs: pd.DataFrame, structural: pd.DataFrame | None) -> np.ndarray:
    """Position in STATES of each value, shape (n, p)."""
    missing = inputs.isna().to_numpy()
    if structural is None:
        return np.where(missing, 2, 0)
    if structural.shape != inputs.shape:
        raise ValueError(
            f"structural has shape {structural.shape}, inputs {inputs.shape}; "
            "give one flag for each value"
        )
    impossible = structural[list(inputs)].to_numpy(dtype=bool)
    return np.where(missing, np.where(impossible, 1, 2), 0)


@dataclass(frozen=True)
class MissingnessDisplay:
    """Map of missing values: patients from left to right, grouped by pattern, covariates as rows.

    Attributes
    ----------
    frame : DataFrame
        One row a pattern and covariate: pattern (1 the leftmost), patients, covariate, label,
        state (known, structural, unknown). Patients of the same pattern stand together, so that no
        row belongs to a patient.
    shares : DataFrame
        As `missingness_counts` returns it, the most often missing first.
    n : int
        Patients, those whose pattern is too rare to be shown included.
    """

    frame: pd.DataFrame
    shares: pd.DataFrame
    n: int

    @classmethod
    def from_inputs(
        cls,
        inputs: pd.DataFrame,
        dictionary: Mapping[str, Covariate],
        structural: pd.DataFrame | None = None,
        *,
        suppress_below: int | None = None,
    ) -> MissingnessDisplay:
        """Find the patterns; arguments as for `missingness_counts`.

        With more than `MANY_PATIENTS` patients, patterns of fewer than one in a thousand are left
        out of the map. With `suppress_below`, patterns of fewer patients are left out, and
        more of them until those left out number as many; when the rest is less than half of the
        patients, there is no map.
        """
        states = _states(inputs, structural)
        shares = missingness_counts(inputs, dictionary, structural, suppress_below=suppress_below)
        # Hidden counts are told apart neither by number nor by place.
        missing = (len(inputs) - shares[KNOWN]).fillna(suppress_below or 0)
        order = np.argsort(-missing.to_numpy(dtype=float), kind="stable")
        patterns, sizes = np.unique(-states[:, order], axis=0, return_counts=True)
        least = len(inputs) / 1000 if len(inputs) > MANY_PATIENTS else 1
        shown = sizes >= max(least, suppress_below or 1)
        by_size = np.argsort(sizes, kind="stable")
        while suppress_below and 0 < sizes[~shown].sum() < suppress_below:
            shown[by_size[shown[by_size]][0]] = False
        if suppress_below and 2 * sizes[shown].sum() < len(inputs):
            shown[:] = False
        names = [list(inputs)[i] for i in order]
        long = pd.DataFrame(-patterns[shown], columns=names).assign(
            pattern=np.arange(1, shown.sum() + 1), patients=sizes[shown]
        )
        frame = long.melt(["pattern", "patients"], var_name="covariate", value_name="state")
        frame["state"] = frame["state"].map(dict(enumerate(STATES)))
        frame.insert(3, "label", frame["covariate"].map(lambda name: dictionary[name].label))
        return cls(frame, shares.iloc[order].reset_index(drop=True), len(inputs))

    @property
    def caption(self) -> str:
        """How many patients the map shows, and how many have every value."""
        drawn = self.frame.drop_duplicates("pattern")
        if drawn.empty:
            return "No map: too few patients share a pattern"
        patients = int(drawn["patients"].sum())
        text = f"{patients} patients in {len(drawn)} patterns"
        if patients < self.n:
            text += f"; {self.n - patients} patients with rarer patterns are left out of the map"
        return text

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the map and, right of it, the share missing of each covariate; return the Axes."""
        rows = len(self.shares)
        ax = (
            ax or Figure(figsize=(7.6, 1.2 + 0.19 * rows), dpi=150, layout="constrained").subplots()
        )
        patients = self._draw_map(ax)
        # Bars from 0 to 100% take part of the same axis, in patients' width.
        zero, full = _BARS * patients, (_BARS + _BAR_LENGTH) * patients
        self._draw_bars(ax, zero, full - zero)
        # The space between two covariates, so that neighbouring rows do not run together.
        ax.hlines(np.arange(1, rows), 0, full, color="white", lw=1.5)
        ax.set(xlim=(0, full), ylim=(rows, 0))
        ax.set_yticks(np.arange(rows) + 0.5, self.shares["label"])
        ticks = [] if self.frame.empty else _ticks(patients)
        percents = [zero, (zero + full) / 2, full]
        labels = [*(f"{tick:g}" for tick in ticks), "0%", "50%", "100%"]
        ax.set_xticks([*ticks, *percents], labels)
        ax.tick_params(labelsize=FONT_SIZE, length=0)
        ax.spines[:].set_visible(False)
        titles = {patients / 2: "Patients, by pattern", (zero + full) / 2: "Missing"}
        for x, title in titles.items():
            ax.annotate(title, (x, 0), xytext=(0, -18), xycoords=("data", "axes fraction"),
                        textcoords="offset points", ha="center", va="top",
                        fontsize=FONT_SIZE + 1, annotation_clip=False)  # fmt: skip
        self._write_counts(ax)
        self._draw_legend(ax)
        return ax

    def _draw_map(self, ax: Axes) -> int:
        """Draw the patterns and return how many patients they hold; 1 without any pattern."""
        if self.frame.empty:
            ax.text(0.5, len(self.shares) / 2, "too few patients share a pattern",
                    ha="center", va="center", fontsize=FONT_SIZE)  # fmt: skip
            return 1
        codes = self.frame["state"].map({state: i for i, state in enumerate(STATES)})
        grid = self.frame.assign(code=codes).pivot_table("code", "covariate", "pattern")
        grid = grid.loc[self.shares["covariate"]]
        sizes = self.frame.drop_duplicates("pattern")["patients"].to_numpy()
        edges = np.append(0, sizes.cumsum())
        colors = ListedColormap([_COLORS[state] for state in STATES])
        ax.pcolormesh(edges, np.arange(len(grid) + 1), grid.to_numpy(), cmap=colors, vmin=0, vmax=2)
        for y, states in enumerate(grid.to_numpy()):
            for start, end in _runs(states == 1):
                ax.fill_between(edges[[start, end]], y, y + 1, facecolor="none",
                                hatch=_HATCH, edgecolor="white", linewidth=0)  # fmt: skip
        return int(edges[-1])

    def _draw_bars(self, ax: Axes, zero: float, length: float) -> None:
        left = np.full(len(self.shares), zero)
        for state in (UNKNOWN, STRUCTURAL):
            # A hidden count has no bar.
            share = self.shares[state].astype("Float64").fillna(0).to_numpy(dtype=float) / self.n
            ax.barh(np.arange(len(left)) + 0.5, share * length, 1, left, color=_COLORS[state],
                    hatch=_HATCH if state == STRUCTURAL else None, edgecolor="white",
                    linewidth=0)  # fmt: skip
            left += share * length

    def _write_counts(self, ax: Axes) -> None:
        """Patients beside the bars."""
        texts = [_missing_text(row) for row in self.shares.to_dict("records")]
        header = "unknown + cannot exist" if any("+" in text for text in texts) else "unknown"
        heights = np.arange(-1, len(texts)) + 0.5
        for height, text in zip(heights, [header, *texts], strict=True):
            ax.annotate(text, (1, height), xytext=(16, 0), va="center",
                        xycoords=("axes fraction", "data"), textcoords="offset points",
                        fontsize=FONT_SIZE, annotation_clip=False)  # fmt: skip

    def _draw_legend(self, ax: Axes) -> None:
        words = {KNOWN: "known", UNKNOWN: "unknown", STRUCTURAL: "cannot exist"}
        shown = [KNOWN, UNKNOWN]
        if (self.shares[STRUCTURAL].fillna(1) > 0).any():
            shown.append(STRUCTURAL)
        handles = [
            Patch(
                facecolor=_COLORS[state],
                hatch=_HATCH if state == STRUCTURAL else None,
                edgecolor="white" if state == STRUCTURAL else "#999999",
                linewidth=0.5,
                label=words[state],
            )
            for state in shown
        ]
        ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=3,
                  frameon=False, fontsize=FONT_SIZE, borderaxespad=0.3)  # fmt: skip


def _missing_text(row: Mapping[str, object]) -> str:
    """Unknown (and structurally missing) patients of one covariate: '22', '9 + 31'."""
    unknown, structural = (HIDDEN if pd.isna(row[s]) else str(row[s]) for s in STATES[:0:-1])
    return unknown if structural == "0" else f"{unknown} + {structural}"


def _ticks(patients: int) -> list[float]:
    """Round numbers of patients, those close to the bars left out."""
    ticks = MaxNLocator(5, integer=True).tick_values(0, patients)
    return [float(tick) for tick in ticks if tick <= 0.97 * patients]


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """First and last-plus-one position of each unbroken run of True."""
    steps = np.diff(np.concatenate([[0], flags.astype(int), [0]]))
    return list(zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True))
