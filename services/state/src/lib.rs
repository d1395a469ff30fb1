//! State: players, matches, world and generic aggregates, event-sourced.
