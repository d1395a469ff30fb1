//! The names of the logs: each service has one of its own.

use std::fmt;
use std::str::FromStr;

/// Whose log it is. Nothing is transactional over two logs: each has lanes, positions, leases,
/// idempotency keys, an incarnation and migrations of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogName {
    State,
    Combat,
    Stats,
    Memory,
}

impl LogName {
    pub const ALL: [Self; 4] = [Self::State, Self::Combat, Self::Stats, Self::Memory];

    /// The name of the service, as roles are named.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Combat => "combat",
            Self::Stats => "stats",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No log has this name.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no log is named {0:?}; accepted are state, combat, stats and memory")]
pub struct UnknownLog(String);

impl FromStr for LogName {
    type Err = UnknownLog;

    fn from_str(name: &str) -> Result<Self, UnknownLog> {
        let known = Self::ALL.into_iter().find(|log| log.as_str() == name);
        known.ok_or_else(|| UnknownLog(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_shown() {
        for log in LogName::ALL {
            assert_eq!(log.to_string().parse::<LogName>().unwrap(), log);
        }
        let unknown = "combta".parse::<LogName>().unwrap_err().to_string();
        assert!(unknown.contains("combta") && unknown.contains("memory"), "{unknown}");
    }
}
