//! Whether a version may be served, and what has to be said about it.
