"""Events and what is made of them: the tables of whoever has events (EVENTS_DATABASE_URL).

They are no tables of the demo shop: ETL_TABLES=etl_assets.tables.events adds them.
"""
