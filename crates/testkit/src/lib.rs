//! World, real servers, faults, clocks.
