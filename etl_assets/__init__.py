"""A team's tables as checked, day-partitioned raw, staged and enriched tables in a warehouse."""
