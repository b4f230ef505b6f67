"""One module per file format; each has one function `read`, which turns a file into a trace."""
