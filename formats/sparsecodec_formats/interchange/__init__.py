"""Events as rows of named, physical values, for people, tables and other programs."""
