"""`python -m etl_assets.cli`: the same as `etl-assets`."""

from etl_assets.cli.main import main

if __name__ == "__main__":
    main(prog_name="etl-assets")
