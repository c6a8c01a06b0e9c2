"""What is inside a .sic file: numbers, text, pictures."""
