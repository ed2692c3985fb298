"""Long runs: ``make soak [SOAK=name]``; each ends by itself and appends its result to a file."""
