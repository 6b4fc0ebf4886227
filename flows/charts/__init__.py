"""The charts of the report: each is a query of one mart and a picture of its rows. No I/O."""
