"""Events and what is made of them: the tables of whoever has events (EVENTS_DATABASE_URL).

The demo has them; beside tables of one's own ETL_TABLES=…,etl_assets.tables.events adds them.
"""
