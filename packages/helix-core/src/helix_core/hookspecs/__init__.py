"""One hook per kind of plugin, a file each. A hookimpl returns a list of records."""
