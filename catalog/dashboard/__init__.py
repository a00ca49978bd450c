"""The catalogue's pages: browsing it, setting up imports, following them, and the sources they come from."""
