//! Port: what may be forgotten.
