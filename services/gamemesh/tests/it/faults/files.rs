//! The embedded store's files: a disk that fills up, and deaths while the store is tidied and checked.

use std::path::Path;
use std::process::Command;

use gamemesh_client::v1::update_aggregate_request::Change;
use gamemesh_client::{Client, Error, v1};
use gamemesh_testkit::{World, cli};
use prost_types::value::Kind;

use super::PATIENCE;
use crate::it::ledger::{assert_gone, client, strong};

/// Bytes of a large document.
const LARGE: usize = 40_000;

/// Writes are refused with their reason, reads go on, and so do writes when there is room again.
/// Needs the right to mount a small file system.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::tmpfs(folder.path(), "8m") else { return };
    let ballast = folder.path().join("ballast");
    std::fs::write(&ballast, vec![0; 4 << 20]).unwrap();
    let url = format!("sqlite://{}", folder.path().join("gamemesh.db").display());
    let mut world = World::builder().services("state").database_url(url).build().unwrap();
    world.start().await.unwrap();
    let client = client(&world);

    let mut written = 0;
    let refusal = loop {
        match write(&client, written).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(written > 5, "{written}");
    assert_eq!(refusal.reason, "STORAGE_FULL", "{refusal:?}");
    for n in 0..20 {
        assert_eq!(write(&client, 1_000 + n).await.unwrap_err().reason, "STORAGE_FULL");
    }
    assert_there(&client, 0..written).await;
    std::fs::remove_file(&ballast).unwrap();
    for _ in 0..5 {
        write(&client, written).await.unwrap();
        written += 1;
    }
    assert_there(&client, 0..written).await;
    let verified = world.cli(&["--json", "log", "verify"]).unwrap();
    assert_eq!(verified.json()["events"], written, "{verified:?}");
}

/// Between the two parts of a checkpoint, and of a verification by a process beside the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deaths_while_the_store_is_tidied_or_checked_leave_it_whole() {
    let mut world =
        World::builder().services("state").fault("sqlite.mid_checkpoint").build().unwrap();
    world.start().await.unwrap();
    let client = client(&world);
    let mut written = 0;
    loop {
        match write(&client, written).await {
            Ok(()) => written += 1,
            Err(error) => break assert_gone(&error),
        }
    }
    assert!(world.wait(PATIENCE).await.unwrap().is_some(), "it does not die at the checkpoint");
    world.set_fault(None);
    world.start().await.unwrap();
    assert_there(&client, 0..written).await;

    let database = world.database_url();
    let environment = [("DATABASE_URL", &*database), ("GAMEMESH_FAULT", "sqlite.mid_verify")];
    let died = cli::run_with(&["log", "verify"], &environment, b"").unwrap();
    assert_eq!(died.exit, -1, "it does not die while it verifies: {died:?}");
    // The one before was on its way at the death: it may be there.
    write(&client, written + 1).await.unwrap();
    assert_there(&client, (0..written).chain([written + 1])).await;
    let verified = world.cli(&["--json", "log", "verify"]).unwrap();
    assert_eq!(verified.exit, 0, "{verified:?}");
}

/// A large document of its own.
async fn write(client: &Client, n: u32) -> Result<(), Error> {
    let note = prost_types::Value { kind: Some(Kind::StringValue("x".repeat(LARGE))) };
    let patch = prost_types::Struct { fields: [("note".to_owned(), note)].into() };
    let request = v1::UpdateAggregateRequest {
        r#type: "world".into(),
        id: format!("large-{n}"),
        create_missing: true,
        change: Some(Change::MergePatch(patch)),
        ..Default::default()
    };
    client.update_aggregate(request).await.map(drop)
}

async fn assert_there(client: &Client, written: impl IntoIterator<Item = u32>) {
    for n in written {
        let read = client.get_aggregate(strong("world", &format!("large-{n}"))).await.unwrap();
        assert_eq!(read.aggregate.unwrap().version, 1, "{n}");
    }
}

/// A file system of its own, until this is dropped.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn tmpfs(at: &'a Path, size: &str) -> Option<Self> {
        let size = format!("size={size}");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(at).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
