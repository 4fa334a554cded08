"""One command's predictions: patients read, predicted, written."""

from pipelines.prediction.answering import Asking, answered, draw, remembered, result_of
from pipelines.prediction.batch import Batch, paths_of_batch, predict_in_parts
from pipelines.prediction.progress import progress_of
from pipelines.prediction.reading import Given, read_horizons, reader_of
from pipelines.prediction.result import Result, predicted
from pipelines.prediction.writing import Format, form_of, printed, write

__all__ = [
    "Asking",
    "Batch",
    "Format",
    "Given",
    "Result",
    "answered",
    "draw",
    "form_of",
    "paths_of_batch",
    "predict_in_parts",
    "predicted",
    "printed",
    "progress_of",
    "read_horizons",
    "reader_of",
    "remembered",
    "result_of",
    "write",
]
