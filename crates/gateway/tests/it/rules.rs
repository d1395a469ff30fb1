//! Rules that cannot be served are errors at start.

use gamemesh_gateway::GatewayConfig;

use super::world::{gateway_for, gateway_with};

fn proto(rules: &[&str]) -> String {
    let methods: String = rules
        .iter()
        .zip('A'..)
        .map(|(rule, name)| {
            format!("rpc {name}(M) returns (M) {{ option (google.api.http) = {{ {rule} }}; }}\n")
        })
        .collect();
    format!(
        "syntax = \"proto3\"; package p; import \"google/api/annotations.proto\";\n\
         message M {{ string id = 1; M sub = 2; repeated string list = 3; map<string, string> map = 4; string other = 5; }}\n\
         service S {{\n{methods}}}"
    )
}

#[test]
fn wrong_rules_name_their_rpc() {
    let cases: [(&[&str], &str); 16] = [
        (&["get: '/v1/{id'"], "p.S.A: template \"/v1/{id\" at byte 7: expected }"),
        (&["get: 'v1'"], "p.S.A: template \"v1\" at byte 0: a template begins with /"),
        (&["get: '/v1/{nope}'"], "p.S.A: template \"/v1/{nope}\": p.M has no field nope"),
        (&["get: '/v1/{sub.nope}'"], "p.M has no field nope"),
        (&["get: '/v1/{sub}'"], "sub is a message"),
        (&["get: '/v1/{list}'"], "list is repeated"),
        (&["get: '/v1/{map}'"], "map is repeated"),
        (&["get: '/v1/{id.x}'"], "id is not a message"),
        (&["post: '/v1/x' body: 'nope'"], "p.M has no field nope"),
        (&["post: '/v1/{id}' body: 'id'"], "id is both in the path and the body"),
        (&["get: '/v1/x' body: '*'"], "GET has no body"),
        (&["get: '/v1/x' response_body: 'nope'"], "p.M has no field nope"),
        (&["body: '*'"], "the rule has no pattern"),
        (&["custom: {kind: 'no such' path: '/x'}"], "\"no such\" is not an HTTP method"),
        (&["get: '/v1/{id}'", "get: '/v1/{other}'"], "p.S.A and p.S.B both answer GET /v1/{other}"),
        (
            &[
                "get: '/v1/{id=a/*}:do' additional_bindings { post: '/x' }",
                "post: '/y' additional_bindings { get: '/v1/a/{id}:do' }",
            ],
            "p.S.A and p.S.B both answer GET /v1/a/{id}:do",
        ),
    ];
    for (rules, what) in cases {
        match gateway_for(&proto(rules)) {
            Ok(_) => panic!("{rules:?} is served"),
            Err(error) => assert!(error.to_string().contains(what), "{rules:?}: {error}"),
        }
    }
}

#[test]
fn wrong_rules_are_passed_over_where_that_is_wanted() {
    let config = GatewayConfig { skips_bad_rules: true, ..GatewayConfig::default() };
    let rules = [
        "get: '/v1/{id'",
        "get: '/v1/{nope}' additional_bindings { get: '/good/{id}' }",
        "body: '*'",
        "get: '/v1/{id}'",
        "get: '/v1/{other}'",
        "get: '/v2/{id}'",
    ];
    let gateway = gateway_with(&proto(&rules), config).expect("the others are served");
    let served = gateway.routes_txt();
    assert_eq!(served.lines().count(), 3, "{served}");
    for path in ["/good/{id}", "/v1/{id}", "/v2/{id}"] {
        assert!(served.contains(path), "{served}");
        assert!(gateway.openapi()["paths"][path].is_object(), "{path}");
    }
    assert_eq!(gateway.openapi()["paths"].as_object().map(serde_json::Map::len), Some(3));
}

#[test]
fn rules_that_look_alike_but_are_not_are_served() {
    let rules = [
        "get: '/v1/{id}'",
        "get: '/v1/{id}:do'",
        "get: '/v1/x'",
        "get: '/v1/{id=**}'",
        "post: '/v1/{id}'",
        "get: '/v1/{id}/{other}'",
        "get: '/v1/{id=a/*}'",
    ];
    let gateway = gateway_for(&proto(&rules)).expect("no two are the same");
    assert_eq!(gateway.routes_txt().lines().count(), rules.len());
}

#[test]
fn bytes_that_are_no_descriptors_are_refused() {
    let upstream = gamemesh_gateway::boxed_upstream(tonic::service::Routes::default());
    let result = gamemesh_gateway::Gateway::new(b"nonsense", upstream, Default::default());
    assert!(result.is_err_and(|e| e.to_string().contains("descriptor set cannot be read")));
}

#[test]
fn a_set_without_rules_has_no_routes() {
    let gateway = gateway_for(
        "syntax = \"proto3\"; package p; message M {} service S { rpc A(M) returns (M); }",
    );
    assert_eq!(gateway.expect("no rule is wrong").routes_txt(), "");
}
