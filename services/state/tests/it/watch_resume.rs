//! watch_resume
