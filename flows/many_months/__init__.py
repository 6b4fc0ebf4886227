"""Running more than one month: in threads, on Dask, or as deployment runs of a work pool."""
