"""Side-by-side measurements; each module prints a table. Ratios count, not seconds."""
