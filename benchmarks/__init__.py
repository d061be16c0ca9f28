"""Side-by-side measurements; each module prints a table. Ratios are comparable, seconds are not."""
