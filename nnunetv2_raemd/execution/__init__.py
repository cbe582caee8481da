"""Where many calls run: worker processes here, or those of a Dask cluster; and how far they are."""
