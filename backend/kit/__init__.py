"""Domain-free tools, one concept per file. Nothing here knows what Hearth is for."""
