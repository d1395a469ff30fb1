//! watch_slow
