//! linearizable
