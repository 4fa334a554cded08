"""What the columns of a table mean: names, units, codes, missing values."""

from features.covariates.codes import (
    Code,
    Codes,
    code_text,
    code_texts,
    meets,
    read_codes,
    unknown_code,
)
from features.covariates.column_source import ColumnSource, Converted, convert_cells
from features.covariates.columns import check_columns, read_covariates
from features.covariates.dates import DateFormat, Day, read_dates
from features.covariates.derived import (
    DERIVATIONS,
    derive_columns,
    derive_covariates,
    describe_covariates,
    needed_inputs,
)
from features.covariates.dictionary import CONFIGS, Covariate, read_dictionary
from features.covariates.missing import structural_mask
from features.covariates.missing_words import NO_CODES, ONLY_EMPTY, MissingWords, merged
from features.covariates.multiple_imputation import multiply_impute, pool_rubin

__all__ = [
    "CONFIGS",
    "DERIVATIONS",
    "NO_CODES",
    "ONLY_EMPTY",
    "Code",
    "Codes",
    "ColumnSource",
    "Converted",
    "Covariate",
    "DateFormat",
    "Day",
    "MissingWords",
    "check_columns",
    "code_text",
    "code_texts",
    "convert_cells",
    "derive_columns",
    "derive_covariates",
    "describe_covariates",
    "meets",
    "merged",
    "multiply_impute",
    "needed_inputs",
    "pool_rubin",
    "read_codes",
    "read_covariates",
    "read_dates",
    "read_dictionary",
    "structural_mask",
    "unknown_code",
]
