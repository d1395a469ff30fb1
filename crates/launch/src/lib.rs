//! Roles to a running process: order, listen, drain.
