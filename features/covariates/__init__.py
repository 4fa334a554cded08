"""What the columns of a table mean: names, units, codes, missing values."""
