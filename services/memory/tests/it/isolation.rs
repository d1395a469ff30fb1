//! Nobody's private memory is ever answered to another NPC.

use gamemesh_contracts::memory::v1 as pb;
use gamemesh_testkit::postgres::Postgres;
use tonic::Code;

use super::calls::{
    COLLECTION, collection, get_request, list, recall_request, recalled, store, text,
};
use super::world::{Client, World};

const NPCS: usize = 8;

/// A small generator, so that a failure can be repeated.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

struct Known {
    id: String,
    owner: usize,
    visibility: pb::Visibility,
    witnesses: Vec<usize>,
    remembered: bool,
}

impl Known {
    fn visible_to(&self, npc: usize) -> bool {
        self.owner == npc
            || match self.visibility {
                pb::Visibility::Shared => true,
                pb::Visibility::Witnesses => self.witnesses.contains(&npc),
                _ => false,
            }
    }
}

fn npc(number: usize) -> String {
    format!("npc-{number}")
}

async fn fuzz(client: &mut Client, seed: u64, steps: usize) {
    let mut random = Random(seed);
    let mut known: Vec<Known> = Vec::new();
    for step in 0..steps {
        match random.below(10) {
            0..6 => {
                let owner = random.below(NPCS);
                let visibility =
                    [pb::Visibility::Private, pb::Visibility::Witnesses, pb::Visibility::Shared]
                        [random.below(3)];
                let witnesses: Vec<usize> =
                    (0..random.below(3)).map(|_| random.below(NPCS)).collect();
                let content = pb::MemoryContent {
                    visibility: visibility.into(),
                    witnesses: witnesses.iter().map(|w| npc(*w)).collect(),
                    vector: vec![1.0, step as f32, 0.5],
                    ..text(&format!("secret word of step {step}"))
                };
                let id = store(client, &npc(owner), content).await.memory_id;
                known.push(Known { id, owner, visibility, witnesses, remembered: true });
            }
            6 if !known.is_empty() => {
                let at = random.below(known.len());
                let request = pb::ForgetMemoryRequest {
                    collection_id: COLLECTION.to_owned(),
                    npc_id: npc(random.below(NPCS)),
                    memory_id: known[at].id.clone(),
                    hard: false,
                };
                let is_owner = request.npc_id == npc(known[at].owner);
                let answer = client.forget_memory(request).await;
                assert_eq!(answer.is_ok(), is_owner);
                known[at].remembered &= !is_owner;
            }
            7 if !known.is_empty() => {
                let at = random.below(known.len());
                let visibility = [pb::Visibility::Private, pb::Visibility::Shared][random.below(2)];
                let request = pb::UpdateMemoryRequest {
                    collection_id: COLLECTION.to_owned(),
                    npc_id: npc(known[at].owner),
                    memory_id: known[at].id.clone(),
                    content: Some(pb::MemoryContent { visibility: visibility.into(), ..text("x") }),
                    update_mask: Some(prost_types::FieldMask {
                        paths: vec!["visibility".to_owned()],
                    }),
                    expected_version: None,
                };
                client.update_memory(request).await.unwrap();
                known[at].visibility = visibility;
            }
            _ => {
                let who = random.below(NPCS);
                let mut request = recall_request(&npc(who), "secret word", 1_000);
                request.vector = vec![1.0, 1.0, 1.0];
                if random.below(3) == 0 {
                    request.filter = Some(pb::MemoryFilter {
                        filter: format!("npc_id = \"{}\"", npc(random.below(NPCS))),
                        ..pb::MemoryFilter::default()
                    });
                }
                let filter = request.filter.clone().map(|filter| filter.filter);
                let answer = client.recall(request).await.unwrap().into_inner();
                let mut found: Vec<String> =
                    answer.memories.into_iter().map(|m| m.memory.unwrap().memory_id).collect();
                let mut expected: Vec<String> = known
                    .iter()
                    .filter(|k| k.remembered && k.visible_to(who))
                    .filter(|k| {
                        filter
                            .as_ref()
                            .is_none_or(|f| *f == format!("npc_id = \"{}\"", npc(k.owner)))
                    })
                    .map(|k| k.id.clone())
                    .collect();
                found.sort();
                expected.sort();
                assert_eq!(found, expected, "seed {seed} step {step}");
            }
        }
    }
    for memory in &known {
        for who in 0..NPCS {
            let answer = client.get_memory(get_request(&npc(who), &memory.id)).await;
            match memory.visible_to(who) {
                true => assert!(answer.is_ok()),
                false => assert_eq!(answer.unwrap_err().code(), Code::NotFound),
            }
        }
    }
}

#[tokio::test]
async fn fuzz_in_memory() {
    let world = World::on("memory:").await;
    let mut client = world.client().await;
    collection(&mut client).await;
    fuzz(&mut client, 0x5eed_0001, 600).await;
}

#[tokio::test]
async fn fuzz_on_sqlite() {
    let world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    fuzz(&mut client, 0x5eed_0002, 300).await;
}

#[tokio::test]
async fn fuzz_on_postgres() {
    let postgres = Postgres::start().unwrap();
    let world = World::on(postgres.url()).await;
    let mut client = world.client().await;
    collection(&mut client).await;
    fuzz(&mut client, 0x5eed_0003, 300).await;
}

/// Another instance sees at once what one has acknowledged.
#[tokio::test]
async fn instances_see_each_other() {
    let postgres = Postgres::start().unwrap();
    let (one, other) = (World::on(postgres.url()).await, World::on(postgres.url()).await);
    let (mut a, mut b) = (one.client().await, other.client().await);
    collection(&mut a).await;
    for n in 0..30 {
        let (writer, reader) = if n % 2 == 0 { (&mut a, &mut b) } else { (&mut b, &mut a) };
        store(writer, "klaus", text(&format!("event number{n}"))).await;
        let found = recalled(reader, recall_request("klaus", &format!("number{n}"), 1)).await;
        assert_eq!(found, [format!("event number{n}")]);
        assert_eq!(list(reader, "klaus").await.len(), n + 1);
    }
}

#[tokio::test]
async fn conclusions_rest_on_memories_of_their_owner() {
    let world = World::new().await;
    let mut client = world.client().await;
    collection(&mut client).await;
    let foreign =
        pb::MemoryContent { visibility: pb::Visibility::Shared.into(), ..text("everybody knows") };
    let foreign = store(&mut client, "maria", foreign).await.memory_id;
    let reflection = pb::MemoryContent {
        kind: pb::MemoryKind::Reflection.into(),
        sources: vec![foreign],
        ..text("so it is")
    };
    let refused =
        client.store_memory(super::calls::store_request("klaus", reflection)).await.unwrap_err();
    assert!(refused.message().contains("does not exist"), "{refused}");
}
