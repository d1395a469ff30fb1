//! Instances that share the lanes out: whoever is called answers as the owner would, and the lanes
//! move when instances come and go.

mod alike;
mod moves;
mod studio;

use std::time::{Duration, Instant};

use gamemesh_testkit::World;
use serde_json::Value;

/// Settings under which lanes have owners, with a lease that a test can wait for.
pub(crate) const OWNED: [(&str, &str); 2] = [("LANES", "owned"), ("LANE_LEASE", "2s")];

/// What is waited for has come by then.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Lanes of a store that did not choose.
const LANES: u16 = 4;

#[derive(Debug)]
pub(crate) struct Owner {
    /// The address of the owner.
    pub(crate) owner: Option<String>,
    pub(crate) epoch: i64,
}

/// Who owns each lane.
pub(crate) fn owners(world: &World) -> Vec<Owner> {
    let ran = world.cli(&["--json", "log", "stats", "--log", "state"]).unwrap();
    assert_eq!(ran.exit, 0, "{ran:?}");
    let owner = |lane: &Value| Owner {
        owner: lane["owner"].as_str().map(str::to_owned),
        epoch: lane["epoch"].as_i64().unwrap(),
    };
    ran.json()["lanes"].as_array().unwrap().iter().map(owner).collect()
}

/// Waits until every lane has an owner, and so many instances own one.
pub(crate) async fn settled(world: &World, instances: usize) {
    let began = Instant::now();
    loop {
        let lanes = owners(world);
        let mut having: Vec<&String> = lanes.iter().filter_map(|l| l.owner.as_ref()).collect();
        let all = having.len() == lanes.len();
        having.sort_unstable();
        having.dedup();
        if all && having.len() == instances {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "the lanes do not settle: {lanes:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
