//! One log for each service: files beside one another that know nothing of each other.

use gamemesh_repository::{EventLog, LogName};
use gamemesh_sqlite::{SqliteOptions, SqliteStore, migrate, schema_version};

use crate::{file, nth, url};

async fn open(folder: &std::path::Path, log: LogName) -> std::sync::Arc<SqliteStore> {
    let options = SqliteOptions { log, ..SqliteOptions::default() };
    SqliteStore::open(&url(folder), options).await.unwrap()
}

#[tokio::test]
async fn logs_lie_side_by_side_and_share_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = Vec::new();
    for log in LogName::ALL {
        stores.push(open(folder.path(), log).await);
    }
    for (appends, store) in (1_u64..).zip(&stores) {
        for number in 0..appends {
            store.append(nth(number)).await.unwrap();
        }
    }
    for (events, store) in (1_u64..).zip(&stores) {
        let report = store.verify().await.unwrap();
        assert!(report.is_clean() && report.events == events, "{report:?}");
        let same = stores.iter().filter(|other| other.incarnation() == store.incarnation());
        assert_eq!(same.count(), 1);
        store.close().await;
    }
    for log in LogName::ALL {
        let again = migrate(&url(folder.path()), log).await.unwrap();
        assert_eq!((again.from, again.to), (schema_version(log), schema_version(log)));
    }
    let beside = folder.path().join("store-combat.db");
    assert!(file(folder.path()).exists() && beside.exists());

    // A file in the place of another log is not that log.
    let renamed = tempfile::tempdir().unwrap();
    std::fs::copy(beside, file(renamed.path())).unwrap();
    let error = SqliteStore::open(&url(renamed.path()), SqliteOptions::default()).await;
    let error = error.err().unwrap().to_string();
    assert!(error.contains("it is the log of combat, not of state"), "{error}");
}
