"""From a URL to a whole, verified file on disk, whatever the web server does."""
