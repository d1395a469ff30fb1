//! Who may call what: the page that says so, and a stack that keeps to it.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use gamemesh_contracts::DESCRIPTORS;
use gamemesh_facts::{Contracts, Effect, Method, MethodFacts, Retry};
use gamemesh_rpc::auth::{Authenticator, Grant, Role, issue};
use gamemesh_rpc::clock::Clock;
use gamemesh_rpc::config::{ServerArgs, ServerConfig};
use gamemesh_rpc::forward::Instances;
use gamemesh_rpc::lifecycle::Lifecycle;
use gamemesh_rpc::methods::{Methods, roles};
use gamemesh_rpc::metrics::Metrics;
use gamemesh_rpc::stack::{Arriving, Stack};
use gamemesh_rpc::telemetry::Tracing;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer as _, ServiceExt as _};

const HEAD: &str = "\
# Permissions

Which roles may call which RPC, what it does, and whether it may be repeated when its answer was lost. This page is
made from the contracts (the option `(gamemesh.common.v1.method)` in `proto/`), which the server asks before the
handler is run; `UPDATE_GOLDEN=1 cargo test -p gamemesh contracts` writes it anew.

An administrator may call everything. *own* stands where a player may name himself only, or, where the call is about
an aggregate, no other aggregate of type `player` and only what is public besides (`combat`, `guild`, `match`, `world`).
Where a player has an *x*, what is answered is public; a running session of combat is shown to those who do not play in
it as late as its delay for spectators says. Players write nothing but their own commands in combat.
*with key*: where the request carries an idempotency key, or ids that the caller chose.
";

fn declared() -> Vec<(Method, MethodFacts)> {
    Contracts::decode(DESCRIPTORS).unwrap().declared().unwrap()
}

/// `docs/permissions.md`
pub(super) fn page() -> String {
    let mut page = HEAD.to_owned();
    let columns = Role::ALL.into_iter().filter(|role| *role != Role::Admin);
    let names: Vec<&str> = columns.clone().map(Role::as_str).collect();
    let mut service = String::new();
    for (method, facts) in declared() {
        if method.service != service {
            service.clone_from(&method.service);
            let _ = write!(
                page,
                "\n## {service}\n\n| RPC | {} | effect | retry |\n",
                names.join(" | ")
            );
            let _ = writeln!(page, "|---|{}---|---|", ":-:|".repeat(names.len()));
        }
        let admitted = roles(&facts);
        let mark = |role| match role {
            role if !admitted.contains(role) => "",
            Role::Player if !facts.own_player.is_empty() => "own",
            _ => "x",
        };
        let marks: Vec<&str> = columns.clone().map(mark).collect();
        let effect = if facts.effect() == Effect::Read { "reads" } else { "writes" };
        let retry = match facts.retry() {
            Retry::Safe => "safe",
            Retry::WithKey => "with key",
            Retry::Never | Retry::Unspecified => "never",
        };
        let _ =
            writeln!(page, "| `{}` | {} | {effect} | {retry} |", method.name, marks.join(" | "));
    }
    page += "
## Fields

What not everybody reads. Who is not named is answered without the field.

| field | read by |
|---|---|
";
    for (message, field, readers) in Contracts::decode(DESCRIPTORS).unwrap().restricted_fields() {
        let readers: Vec<String> = readers
            .iter()
            .map(|role| format!("{role:?}").replace("GameServer", "game-server").to_lowercase())
            .collect();
        let _ = writeln!(page, "| `{message}.{field}` | {}, admin |", readers.join(", "));
    }
    page
}

/// Each RPC with a token of each role, to a handler that admits everybody.
#[tokio::test]
async fn the_stack_admits_whom_the_contract_names_and_nobody_else() {
    let secret = "0123456789abcdef0123456789abcdef";
    let args = ServerArgs::default().with("jwt-secret", secret);
    let config = ServerConfig::resolve(&args, |_| None, None).unwrap();
    let (clock, metrics) = (Clock::system(), Metrics::new());
    let authenticator =
        Authenticator::new(&config.auth, config.environment, clock.clone()).unwrap();
    let methods = Methods::new(&[DESCRIPTORS], &metrics).unwrap();
    let (tracing, instances) = (Tracing::default(), Instances::default());
    let stack =
        Stack::new(&config, methods, authenticator, tracing, &metrics, Lifecycle::new(), instances);
    let handler = stack.layer(tower::service_fn(async |_: http::Request<Arriving<Body>>| {
        Ok::<_, Infallible>(Status::new(Code::Ok, "").into_http::<Body>())
    }));
    let token = |role| {
        let grant = Grant {
            subject: "somebody".to_owned(),
            role,
            player_id: None,
            lifetime: Duration::from_secs(60),
        };
        let secret = config.auth.jwt_secret.as_ref().unwrap();
        format!("Bearer {}", issue(secret, &grant, &config.auth, &clock).unwrap())
    };
    let mut refused = 0;
    for (method, facts) in declared() {
        for role in Role::ALL {
            let request = http::Request::post(method.path())
                .header("authorization", token(role))
                .body(Body::empty())
                .unwrap();
            let answer = handler.clone().oneshot(request).await.unwrap();
            let status = Status::from_header_map(answer.headers()).unwrap();
            let admitted = role == Role::Admin || names(&facts, role);
            let expected = if admitted { Code::Ok } else { Code::PermissionDenied };
            assert_eq!(status.code(), expected, "{} as {}", method.path(), role.as_str());
            refused += usize::from(!admitted);
        }
    }
    assert!(refused > 0, "a proof that could not fail");
}

/// Whether the contract names a role, by the number that it has in `method.proto`.
fn names(facts: &MethodFacts, role: Role) -> bool {
    let number = match role {
        Role::Player => 1,
        Role::GameServer => 2,
        Role::Admin => 3,
        Role::Spectator => 4,
        Role::Analyst => 5,
    };
    facts.roles.contains(&number)
}
