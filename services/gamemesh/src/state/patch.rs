//! `gamemesh state patch`.

use clap::{ArgMatches, Args, Command, FromArgMatches};
use gamemesh_client::v1::operation::Kind;
use gamemesh_client::v1::update_aggregate_request::Change;
use gamemesh_client::{Client, v1};

use super::input::{Condition, Which, read_state, wrote};
use crate::exit::{Outcome, Problem};
use crate::json;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct PatchArgs {
    #[command(flatten)]
    which: Which,
    /// Merge patch (RFC 7396): JSON, @file, or - for standard input
    merge: Option<String>,
    #[command(flatten)]
    operations: OperationFlags,
    #[command(flatten)]
    condition: Condition,
    /// Create the aggregate if it does not exist
    #[arg(long)]
    create: bool,
}

/// Operations in the order in which their flags stand on the command line, which a field for each
/// flag would lose.
#[derive(Debug)]
struct OperationFlags(Vec<(&'static str, String)>);

const FLAGS: [(&str, &str, &str); 8] = [
    ("set", "PATH=VALUE", "Set a field; the value is JSON, or else taken as text"),
    ("inc", "PATH=NUMBER", "Add to a number"),
    ("append", "PATH=VALUE", "Add to the end of a list"),
    ("add", "PATH=VALUE", "Add to a set"),
    ("drop", "PATH=VALUE", "Remove from a set"),
    ("max", "PATH=VALUE", "Set a field if the value is greater"),
    ("min", "PATH=VALUE", "Set a field if the value is less"),
    ("remove", "PATH", "Remove a field"),
];

impl Args for OperationFlags {
    fn augment_args(command: Command) -> Command {
        FLAGS.iter().fold(command, |command, (name, value, help)| {
            command.arg(
                clap::Arg::new(*name)
                    .long(*name)
                    .value_name(*value)
                    .help(*help)
                    .help_heading("Operations, applied in this order")
                    .action(clap::ArgAction::Append)
                    .conflicts_with("merge"),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for OperationFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut found: Vec<(usize, &'static str, String)> = Vec::new();
        for (name, ..) in FLAGS {
            let values = matches.get_many::<String>(name).into_iter().flatten();
            let places = matches.indices_of(name).into_iter().flatten();
            found.extend(places.zip(values).map(|(at, value)| (at, name, value.clone())));
        }
        found.sort();
        Ok(Self(found.into_iter().map(|(_, name, value)| (name, value)).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

pub(crate) async fn run(client: &Client, args: PatchArgs, out: Output) -> Outcome {
    let change = match &args.merge {
        Some(merge) => Change::MergePatch(read_state(merge)?),
        None if args.operations.0.is_empty() => {
            return Err(Problem::usage(
                "nothing to change: give a merge patch or an operation such as --inc gold=5",
            ));
        }
        None => Change::Operations(v1::Operations {
            operations: args
                .operations
                .0
                .iter()
                .map(|(flag, text)| operation(flag, text))
                .collect::<Outcome<_>>()?,
        }),
    };
    let answer = client
        .update_aggregate(v1::UpdateAggregateRequest {
            r#type: args.which.kind.clone(),
            id: args.which.id.clone(),
            change: Some(change),
            expected_version: args.condition.expected_version,
            idempotency_key: args.condition.idempotency_key,
            reason: args.condition.reason,
            create_missing: args.create,
            result_only: true,
            ..Default::default()
        })
        .await?;
    wrote(&args.which, answer.write, out)
}

fn operation(flag: &str, text: &str) -> Outcome<v1::Operation> {
    if flag == "remove" {
        let remove = v1::RemoveOperation { path: text.to_owned() };
        return Ok(v1::Operation { kind: Some(Kind::Remove(remove)) });
    }
    let Some((path, value)) = text.split_once('=').filter(|(path, _)| !path.is_empty()) else {
        return Err(Problem::usage(format!("--{flag} {text}: expected PATH=VALUE")));
    };
    let path = path.to_owned();
    let value = || literal(value);
    let set = |value| v1::SetOperation { path: path.clone(), value: Some(value) };
    let members = |value| v1::SetMembersOperation { path: path.clone(), values: vec![value] };
    let kind = match flag {
        "inc" => Kind::Increment(v1::IncrementOperation {
            path: path.clone(),
            by: increment(text)?,
            ..Default::default()
        }),
        "append" => Kind::Append(v1::AppendOperation {
            path: path.clone(),
            values: vec![value()],
            length_max: 0,
        }),
        "add" => Kind::AddToSet(members(value())),
        "drop" => Kind::RemoveFromSet(members(value())),
        "max" => Kind::Maximum(set(value())),
        "min" => Kind::Minimum(set(value())),
        _ => Kind::Set(set(value())),
    };
    Ok(v1::Operation { kind: Some(kind) })
}

fn increment(text: &str) -> Outcome<f64> {
    let number = text.split_once('=').map_or("", |(_, number)| number);
    number
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
        .ok_or_else(|| Problem::usage(format!("--inc {text}: {number:?} is not a number")))
}

/// JSON where it is JSON, else text: `--set status=online` needs no quotes within quotes.
fn literal(text: &str) -> prost_types::Value {
    json::read_value(text).unwrap_or_else(|_| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_keep_the_order_of_the_command_line() {
        let command =
            OperationFlags::augment_args(Command::new("patch").arg(clap::Arg::new("merge")));
        let matches =
            command.get_matches_from(["patch", "--inc", "a=1", "--set", "b=2", "--inc", "c=3"]);
        let flags = OperationFlags::from_arg_matches(&matches).unwrap().0;
        let texts: Vec<&str> = flags.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["a=1", "b=2", "c=3"]);
    }

    #[test]
    fn values_are_json_or_text() {
        assert_eq!(literal("3"), prost_types::Value::from(3.0));
        assert_eq!(literal("{\"a\":1}"), json::read_value("{\"a\": 1}").unwrap());
        assert_eq!(literal("online"), prost_types::Value::from("online"));
    }

    #[test]
    fn a_malformed_operation_is_named() {
        for (flag, text) in
            [("inc", "gold=much"), ("inc", "gold=NaN"), ("set", "gold"), ("set", "=1")]
        {
            let problem = operation(flag, text).unwrap_err();
            assert!(problem.message.contains(text), "{}", problem.message);
        }
    }
}
