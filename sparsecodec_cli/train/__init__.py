"""What `sic train` keeps on disk and shows while it runs."""
