//! SQLite adapter of the repository port.
