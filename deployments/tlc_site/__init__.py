"""A web server on loopback that stands in for the TLC site and its CSV mirror."""
