"""The page that `sic report` writes: what is measured of recordings, and how it is drawn and heard in a browser."""
