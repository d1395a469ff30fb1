//! How the stores of one process share what the process may use.

use gamemesh_repository::LogName;

use crate::Capacity;

/// Of the connections for reading, the state gets so many parts where another log gets one: it answers
/// the most reads that no cache can answer.
const STATE_PARTS: u32 = 3;

impl Capacity {
    /// What one log may use of this capacity when these logs are opened together. Every log gets the
    /// connections that it cannot do without; the rest is for reading, in parts. The sum is never more
    /// than [`Self::server_connections_max`], unless that is less than [`Self::least_connections`].
    pub fn of(self, log: LogName, opened: &[LogName]) -> Self {
        let others: u32 = opened.iter().filter(|other| **other != log).map(|l| parts(*l)).sum();
        let share = |connections: u32| connections * parts(log) / (parts(log) + others);
        let rest = self.server_connections_max.saturating_sub(Self::least_connections(opened));
        let readers = 1 + share(rest);
        Self {
            server_connections_min: share(self.server_connections_min).min(readers),
            server_connections_max: fixed(log) + readers,
            ..self
        }
    }

    /// Connections to a database server that these logs need together.
    pub fn least_connections(opened: &[LogName]) -> u32 {
        opened.iter().map(|log| fixed(*log) + 1).sum()
    }
}

fn parts(log: LogName) -> u32 {
    match log {
        LogName::State => STATE_PARTS,
        LogName::Combat | LogName::Stats | LogName::Memory => 1,
    }
}

#[cfg(feature = "postgres")]
fn fixed(log: LogName) -> u32 {
    use gamemesh_postgres::PostgresOptions;
    PostgresOptions::connections_fixed(PostgresOptions::of(log).lanes)
}

/// Without the driver nothing is connected to.
#[cfg(not(feature = "postgres"))]
fn fixed(_: LogName) -> u32 {
    0
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;

    fn shares(max: u32, opened: &[LogName]) -> Vec<u32> {
        let capacity = Capacity { server_connections_max: max, ..Capacity::default() };
        opened.iter().map(|log| capacity.of(*log, opened).server_connections_max).collect()
    }

    #[test]
    fn a_log_that_is_alone_has_everything() {
        for log in LogName::ALL {
            assert_eq!(shares(50, &[log]), [50]);
            assert_eq!(Capacity::default().of(log, &[log]), Capacity::default());
        }
    }

    #[test]
    fn all_logs_together_keep_to_the_budget() {
        let least = Capacity::least_connections(&LogName::ALL);
        for max in least..=200 {
            let shares = shares(max, &LogName::ALL);
            assert!(shares.iter().sum::<u32>() <= max, "{max}: {shares:?}");
        }
        // The default, of which a default server's hundred connections hold two such processes.
        assert_eq!(shares(50, &LogName::ALL), [20, 11, 9, 9]);
        assert_eq!(least, 24);
    }

    #[test]
    fn less_than_the_least_leaves_each_log_one_connection_for_reading() {
        assert_eq!(shares(1, &LogName::ALL).iter().sum::<u32>(), 24);
    }
}
