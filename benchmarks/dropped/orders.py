"""The benchmark's orders in files, as the running platform of `drops.py` finds its tables."""

from benchmarks.file_content import CSV
from benchmarks.file_table import file_orders

TABLE = file_orders(CSV)
