//! Which files are opened, and by whom.

use std::process::Command;

use gamemesh_repository::{
    AppendError, Cursors, Direction, EventLog, LogError, LogName, Snapshot, Snapshots,
};
use gamemesh_sqlite::{Migrated, OpenError, SqliteOptions, SqliteStore, migrate, schema_version};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnectOptions;

use crate::{events, file, filled, nth, open, open_read_only, row, sample, tamper, url};

const STATE: LogName = LogName::State;

#[tokio::test]
async fn settings_are_what_durability_needs() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b c/d");
    let store = filled(&deep, 3).await;
    let options = SqliteConnectOptions::new().filename(file(&deep));
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let mode: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut connection).await.unwrap();
    assert_eq!(mode, "wal");
    assert_eq!(row(&mut connection, "PRAGMA user_version").await, schema_version(STATE));
    assert_eq!(row(&mut connection, "PRAGMA application_id").await, 0x676d_6c73);
    let tables = "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
                  AND name NOT LIKE 'sqlite%' AND strict = 0";
    assert_eq!(row(&mut connection, tables).await, 0);
    connection.close().await.unwrap();
    store.close().await;
    let wal = format!("{}-wal", file(&deep).display());
    assert!(!std::fs::exists(wal).unwrap(), "a closed store is one file");
}

#[tokio::test]
async fn what_is_not_ours_is_refused_and_left_alone() {
    let text =
        |path: &std::path::Path| std::fs::write(path, "not a database, only text\n".repeat(50));
    let folder = tempfile::tempdir().unwrap();
    text(&file(folder.path())).unwrap();
    let before = std::fs::read(file(folder.path())).unwrap();
    refused(folder.path(), "is no SQLite database").await;
    assert_eq!(std::fs::read(file(folder.path())).unwrap(), before);

    let cases = [
        ("CREATE TABLE other (x)", "of another application"),
        ("PRAGMA user_version = 7", "of another application"),
        ("PRAGMA application_id = 42", "of another application"),
    ];
    for (sql, why) in cases {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(file(folder.path()), b"").unwrap();
        tamper(folder.path(), sql).await;
        let before = std::fs::read(file(folder.path())).unwrap();
        refused(folder.path(), why).await;
        assert_eq!(std::fs::read(file(folder.path())).unwrap(), before, "{sql}");
    }

    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 1).await.close().await;
    tamper(folder.path(), "PRAGMA user_version = 1000").await;
    refused(folder.path(), "use a newer program").await;
}

async fn refused(folder: &std::path::Path, why: &str) {
    for read_only in [false, true] {
        let options = SqliteOptions { read_only, ..SqliteOptions::default() };
        let error = SqliteStore::open(&url(folder), options).await.err().unwrap();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn migrate_makes_and_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let made = migrate(&url(folder.path()), STATE).await.unwrap();
    assert_eq!(made, Migrated { from: 0, to: schema_version(STATE) });
    let store = filled(folder.path(), 3).await;
    assert!(matches!(migrate(&url(folder.path()), STATE).await, Err(OpenError::InUse { .. })));
    store.close().await;
    let again = migrate(&url(folder.path()), STATE).await.unwrap();
    assert_eq!(again, Migrated { from: schema_version(STATE), to: schema_version(STATE) });
    assert_eq!(events(&*open(folder.path()).await).await.len(), 3);
    let error = migrate("sqlite:///proc/none/store.db", STATE).await.unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
}

#[tokio::test]
async fn an_older_schema_is_migrated_by_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 3).await.close().await;
    tamper(
        folder.path(),
        "DROP TABLE cursor; DROP TABLE aggregate_states; DROP TABLE player_states; \
         DROP TABLE match_states; DROP TABLE lane; \
         ALTER TABLE store DROP COLUMN secret; PRAGMA user_version = 1",
    )
    .await;
    let options = SqliteOptions { read_only: true, ..SqliteOptions::default() };
    let error = SqliteStore::open(&url(folder.path()), options).await.err().unwrap();
    assert!(error.to_string().contains("run `gamemesh migrate` first"), "{error}");
    let store = open(folder.path()).await;
    assert_eq!(events(&store).await.len(), 3);
    assert_eq!(store.cursor("p", crate::LANE).await.unwrap().position, 0);
}

#[tokio::test]
async fn one_owner_and_many_readers() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path(), 5).await;
    let second = SqliteStore::open(&url(folder.path()), SqliteOptions::default()).await;
    let error = second.err().unwrap().to_string();
    assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
    let reader = open_read_only(folder.path()).await;
    assert!(reader.is_read_only() && !reader.is_sole_writer());
    assert_eq!(reader.incarnation(), store.incarnation());
    assert_eq!(*reader.tail(crate::LANE).borrow(), 5);
    store.append(nth(5)).await.unwrap();
    assert_eq!(events(&reader).await.len(), 6);
    let report = reader.verify().await.unwrap();
    assert!(report.is_clean() && report.events == 6);
    assert_eq!(reader.stats().await.unwrap().chain, store.stats().await.unwrap().chain);
    refuses_writes(&reader).await;
    store.close().await;
    let gone = store.append(nth(6)).await;
    assert!(matches!(gone, Err(AppendError::Log(LogError::Unavailable(_)))), "{gone:?}");
    open(folder.path()).await.append(nth(6)).await.unwrap();
}

async fn refuses_writes(store: &SqliteStore) {
    let append = store.append(nth(99)).await;
    assert!(matches!(append, Err(AppendError::Log(LogError::ReadOnly))), "{append:?}");
    let (stream, state) = (sample::name("s0"), bytes::Bytes::new());
    let snapshot = Snapshot { stream: stream.clone(), version: 1, reducer: 1, time_us: 0, state };
    assert!(matches!(store.put_snapshot(snapshot).await, Err(LogError::ReadOnly)));
    assert!(matches!(store.forget_snapshots(&stream).await, Err(LogError::ReadOnly)));
    assert!(matches!(store.reset("p").await, Err(LogError::ReadOnly)));
}

#[tokio::test]
async fn dropping_gives_up_the_file_after_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let pending: Vec<_> = (0..200).map(|number| store.append(nth(number))).collect();
    drop(store);
    for pending in pending {
        pending.await.unwrap();
    }
    let store = loop {
        match SqliteStore::open(&url(folder.path()), SqliteOptions::default()).await {
            Ok(store) => break store,
            Err(OpenError::InUse { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(events(&store).await.len(), 200);
}

/// Needs the right to mount; without it there is nothing here that is read-only to its owner.
#[tokio::test]
async fn a_read_only_medium_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::tmpfs(folder.path(), "8m") else { return };
    filled(folder.path(), 5).await.close().await;
    mount.remount_read_only();
    let store = open(folder.path()).await;
    assert!(store.is_read_only());
    refuses_writes(&store).await;
    let read = store.read_stream(&sample::name("s0"), 1, 9, Direction::Forward).await.unwrap();
    assert_eq!(read.len(), 2);
    assert!(store.verify().await.unwrap().is_clean());
    store.close().await;
}

/// A file system of its own, gone when dropped.
pub(crate) struct Mount<'a>(&'a std::path::Path);

impl<'a> Mount<'a> {
    pub(crate) fn tmpfs(at: &'a std::path::Path, size: &str) -> Option<Self> {
        let size = format!("size={size}");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(at).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }

    fn remount_read_only(&self) {
        let status = Command::new("mount").args(["-o", "remount,ro"]).arg(self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
