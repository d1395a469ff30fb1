//! `gamemesh memory narrative`.

use clap::Subcommand;
use gamemesh_contracts::memory::v1 as pb;
use serde_json::Value;

use super::{Services, read, refused, shown};
use crate::exit::{Exit, Outcome};
use crate::output::{Output, table};

#[derive(Debug, Subcommand)]
pub(crate) enum NarrativeCommand {
    /// Show a plot
    Get {
        plot: String,
        #[arg(long)]
        version: Option<i64>,
    },
    /// List the plots
    List,
    /// Declare the stages of a plot and what may follow each
    Declare {
        plot: String,
        /// {"initial", "states": [{"name", "next"}]}
        declaration: String,
    },
    /// Take a plot to another stage, choose branches, set flags
    Advance {
        plot: String,
        /// The stage to go to
        #[arg(default_value = "", hide_default_value = true)]
        stage: String,
        /// A choice, as name=choice
        #[arg(long, value_parser = pair)]
        branch: Vec<(String, String)>,
        /// A flag to set
        #[arg(long)]
        flag: Vec<String>,
    },
    /// Take a plot back to an earlier version
    Rollback { plot: String, to_version: i64 },
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("accepts name=choice")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) async fn run(services: Services, command: NarrativeCommand, out: Output) -> Outcome {
    let mut game = services.game;
    let plot = match command {
        NarrativeCommand::Get { plot, version } => {
            let request =
                pb::GetPlotRequest { plot_id: plot, version, ..pb::GetPlotRequest::default() };
            game.get_plot(request).await.map_err(refused)?.into_inner().plot
        }
        NarrativeCommand::List => {
            let answer = game.list_plots(pb::ListPlotsRequest::default()).await.map_err(refused)?;
            let plots = answer.into_inner().plots;
            let documents: Vec<Value> = plots.iter().map(|plot| shown("Plot", plot)).collect();
            out.answer(&documents, || {
                let rows = plots.iter().map(|plot| {
                    [plot.plot_id.clone(), plot.stage.clone(), plot.next_stages.join(", ")]
                });
                table(["plot", "stage", "next"], rows)
            })?;
            return Ok(Exit::Done);
        }
        NarrativeCommand::Declare { plot, declaration } => {
            let request = pb::DeclarePlotRequest {
                plot_id: plot,
                declaration: Some(read("Transitions", &declaration)?),
                expected_version: None,
            };
            game.declare_plot(request).await.map_err(refused)?.into_inner().plot
        }
        NarrativeCommand::Advance { plot, stage, branch, flag } => {
            let request = pb::AdvancePlotRequest {
                plot_id: plot,
                stage,
                branches: branch.into_iter().collect(),
                flags: flag.into_iter().map(|flag| (flag, true)).collect(),
                ..pb::AdvancePlotRequest::default()
            };
            let answer = game.advance_plot(request).await.map_err(refused)?.into_inner();
            out.document(&shown("AdvancePlotResponse", &answer))?;
            return Ok(Exit::Done);
        }
        NarrativeCommand::Rollback { plot, to_version } => {
            let request =
                pb::RollbackPlotRequest { plot_id: plot, to_version, expected_version: None };
            game.rollback_plot(request).await.map_err(refused)?.into_inner().plot
        }
    };
    let document = plot.map_or(Value::Null, |plot| shown("Plot", &plot));
    out.document(&document)?;
    Ok(Exit::Done)
}
