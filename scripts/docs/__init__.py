"""The generated parts of the documentation: one function per block, each returns Markdown."""
