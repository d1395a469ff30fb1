//! `gamemesh memory world`.

use clap::Subcommand;
use gamemesh_contracts::memory::v1 as pb;
use serde_json::Value;

use super::{Services, object, read, refused, shown};
use crate::exit::{Exit, Outcome};
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum WorldCommand {
    /// Show a world
    Get {
        world: String,
        #[arg(long)]
        version: Option<i64>,
    },
    /// Declare which weathers and stances may follow each other
    Declare {
        world: String,
        /// {"weather": {"initial", "states": [{"name", "next"}]}, "stances": …}
        declaration: String,
    },
    /// Change a world
    Update {
        world: String,
        /// The new weather
        #[arg(long, default_value = "", hide_default_value = true)]
        weather: String,
        /// The new time, in seconds of the game
        #[arg(long)]
        time: Option<i64>,
        /// A faction as JSON: {"name", "power", "relations": [{"faction", "stance", "standing"}]}
        #[arg(long, value_name = "JSON")]
        faction: Vec<String>,
        /// A merge patch of whatever else is known of it
        #[arg(long, value_name = "JSON")]
        attributes: Option<String>,
    },
}

pub(super) async fn run(services: Services, command: WorldCommand, out: Output) -> Outcome {
    let mut game = services.game;
    let world = match command {
        WorldCommand::Get { world, version } => {
            let request =
                pb::GetWorldRequest { world_id: world, version, ..pb::GetWorldRequest::default() };
            game.get_world(request).await.map_err(refused)?.into_inner().world
        }
        WorldCommand::Declare { world, declaration } => {
            let request = pb::DeclareWorldRequest {
                world_id: world,
                declaration: Some(read("WorldDeclaration", &declaration)?),
                expected_version: None,
            };
            game.declare_world(request).await.map_err(refused)?.into_inner().world
        }
        WorldCommand::Update { world, weather, time, faction, attributes } => {
            let factions = faction.iter().map(|text| read("Faction", text));
            let request = pb::UpdateWorldRequest {
                world_id: world,
                game_time: time,
                weather,
                factions: factions.collect::<Outcome<_>>()?,
                attributes: attributes.as_deref().map(object).transpose()?,
                ..pb::UpdateWorldRequest::default()
            };
            game.update_world(request).await.map_err(refused)?.into_inner().world
        }
    };
    let document = world.map_or(Value::Null, |world| shown("World", &world));
    out.document(&document)?;
    Ok(Exit::Done)
}
