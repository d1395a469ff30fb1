//! What a URL asks for.

use crate::BackendError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Memory,
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

impl Scheme {
    pub(crate) fn of(url: &str) -> Result<Self, BackendError> {
        // The rest of a URL can hold a password: only the scheme is ever shown.
        match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("memory") => Ok(Self::Memory),
            Some("sqlite") => Ok(Self::Sqlite),
            #[cfg(feature = "postgres")]
            Some("postgres" | "postgresql") => Ok(Self::Postgres),
            #[cfg(not(feature = "postgres"))]
            Some("postgres" | "postgresql") => {
                Err(BackendError::NotBuilt { what: "PostgreSQL adapter" })
            }
            Some(scheme) => Err(BackendError::UnknownScheme { scheme: scheme.to_owned() }),
            None => Err(BackendError::NoScheme),
        }
    }
}
