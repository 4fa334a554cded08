"""What one patient's answer says, how sure it is, and what is doubtful about it: numpy alone."""

from features.columns import Columns
from models.individual.answer import (
    ONE_MODEL,
    Answer,
    AtHorizon,
    Band,
    Contributions,
    Curve,
    Filled,
    Given,
    GivenAlive,
    Part,
    Standing,
    UnderRegimen,
)
from models.individual.ask import Asked, Engine, Question, answers
from models.individual.cautions import TEXTS, Caution, Doubt
from models.individual.doubts import MUCH_MISSING, is_far, overlapping
from models.individual.interval import FEWEST_REFITS, limits
from models.individual.rows import row_of
from models.individual.seen import Predict
from models.individual.support import (
    Better,
    Distance,
    Overlap,
    Risks,
    Support,
    Terms,
    supported_until,
    typical_values,
)
from models.individual.telling import told
from models.individual.words import percent, percent_range, points

__all__ = [
    "FEWEST_REFITS",
    "MUCH_MISSING",
    "ONE_MODEL",
    "TEXTS",
    "Answer",
    "Asked",
    "AtHorizon",
    "Band",
    "Better",
    "Caution",
    "Columns",
    "Contributions",
    "Curve",
    "Distance",
    "Doubt",
    "Engine",
    "Filled",
    "Given",
    "GivenAlive",
    "Overlap",
    "Part",
    "Predict",
    "Question",
    "Risks",
    "Standing",
    "Support",
    "Terms",
    "UnderRegimen",
    "answers",
    "is_far",
    "limits",
    "overlapping",
    "percent",
    "percent_range",
    "points",
    "row_of",
    "supported_until",
    "told",
    "typical_values",
]
