//! Port: what happened.
