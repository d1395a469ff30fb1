use prost::Message as _;

use super::wire::{
    FieldDescriptor, FieldFacts, FieldOptions, FileDescriptor, FileDescriptorSet,
    MessageDescriptor, MethodDescriptor, MethodOptions, ServiceDescriptor,
};
use super::*;

const LIST: i32 = 3;
const STRING: i32 = 9;
const UINT64: i32 = 4;
const MESSAGE: i32 = 11;

fn field(name: &str, kind: i32) -> FieldDescriptor {
    FieldDescriptor { name: name.into(), r#type: kind, ..Default::default() }
}

fn of_message(name: &str, type_name: &str, label: i32) -> FieldDescriptor {
    FieldDescriptor { label, type_name: type_name.into(), ..field(name, MESSAGE) }
}

fn message(name: &str, field: Vec<FieldDescriptor>) -> MessageDescriptor {
    MessageDescriptor { name: name.into(), field, nested_type: Vec::new() }
}

fn facts(forwarding_key: &[&str]) -> MethodFacts {
    MethodFacts {
        roles: vec![Role::Player.into(), Role::GameServer.into()],
        effect: Effect::Write.into(),
        retry: Retry::WithKey.into(),
        forwarding_key: forwarding_key.iter().map(ToString::to_string).collect(),
        own_player: String::new(),
    }
}

/// A contract of one method, `/a.v1.Shop/Buy`, that takes `a.v1.BuyRequest`.
fn shop(facts: Option<MethodFacts>) -> FileDescriptorSet {
    let part = MessageDescriptor {
        nested_type: vec![message("Place", vec![field("id", UINT64)])],
        ..message("Part", vec![field("type", STRING), of_message("place", ".a.v1.Part.Place", 0)])
    };
    let optional =
        FieldDescriptor { oneof_index: Some(0), proto3_optional: true, ..field("note", STRING) };
    let chosen = FieldDescriptor { oneof_index: Some(1), ..field("chosen", STRING) };
    let request = message(
        "BuyRequest",
        vec![
            field("player_id", STRING),
            of_message("parts", ".a.v1.Part", LIST),
            of_message("first", ".a.v1.Part", 0),
            optional,
            chosen,
        ],
    );
    let method = MethodDescriptor {
        name: "Buy".into(),
        input_type: ".a.v1.BuyRequest".into(),
        options: Some(MethodOptions { facts }),
        ..Default::default()
    };
    let service = ServiceDescriptor { name: "Shop".into(), method: vec![method] };
    let file = FileDescriptor {
        name: "a/v1/shop.proto".into(),
        package: "a.v1".into(),
        dependency: vec!["a/v1/shared.proto".into()],
        message_type: vec![part, request],
        service: vec![service],
    };
    FileDescriptorSet { file: vec![file] }
}

fn contracts(set: &FileDescriptorSet) -> Contracts {
    Contracts::decode(&set.encode_to_vec()).unwrap()
}

fn generated(forwarding_key: &[&str]) -> Result<String, rust::Misdeclared> {
    let contracts = contracts(&shop(Some(facts(forwarding_key))));
    rust::module(&contracts, &contracts.declared().unwrap(), "a.v1")
}

#[test]
fn a_method_that_does_not_say_everything_is_named() {
    let complete = facts(&[]);
    assert_eq!(contracts(&shop(Some(complete.clone()))).declared().unwrap().len(), 1);
    for lacking in [
        None,
        Some(MethodFacts::default()),
        Some(MethodFacts { effect: 0, ..complete.clone() }),
        Some(MethodFacts { retry: 0, ..complete.clone() }),
        Some(MethodFacts { roles: vec![0], ..complete.clone() }),
        Some(MethodFacts { retry: 99, ..complete.clone() }),
    ] {
        let undeclared = contracts(&shop(lacking)).declared().unwrap_err();
        assert_eq!(undeclared, Undeclared(vec!["/a.v1.Shop/Buy".into()]));
        assert!(undeclared.to_string().contains("/a.v1.Shop/Buy"), "{undeclared}");
    }
    // Nobody besides administrators is an answer too.
    let closed = MethodFacts { roles: Vec::new(), ..complete };
    assert!(contracts(&shop(Some(closed))).declared().is_ok());
}

#[test]
fn a_key_becomes_a_visit_of_the_fields() {
    let table: [(&[&str], &str); 6] = [
        (&["player_id"], "each(&[item.player_id.as_str()]);"),
        (&["'player'", "player_id"], "each(&[\"player\", item.player_id.as_str()]);"),
        (&["note"], "each(&[item.note.as_deref().unwrap_or_default()]);"),
        (
            &["first.type"],
            "each(&[item.first.as_ref().map_or(\"\", |item| item.r#type.as_str())]);",
        ),
        (
            &["parts[].type"],
            "for item in std::iter::once(self).flat_map(|item| item.parts.iter()) {\n            \
             each(&[item.r#type.as_str()]);",
        ),
        (
            &["first.place.id"],
            "each(&[&*item.first.as_ref().and_then(|item| item.place.as_ref())\
             .map_or_else(String::new, |item| item.id.to_string())]);",
        ),
    ];
    for (key, expected) in table {
        let text = generated(key).unwrap();
        assert!(text.contains(expected), "{key:?}: {text}");
        assert!(text.contains("impl crate::method::Request for BuyRequest"));
        assert!(text.contains("path: \"/a.v1.Shop/Buy\""));
    }
    assert_eq!(rust::module(&contracts(&shop(None)), &[], "a.v1").unwrap(), "");
}

#[test]
fn a_key_that_names_nothing_does_not_build() {
    let table: [(&[&str], &str); 6] = [
        (&["match_id"], "no field match_id"),
        (&["parts"], "neither a string nor an integer"),
        (&["parts.type"], "parts is not a message"),
        (&["chosen"], "one of several"),
        (&["parts[].type", "player_id"], "different lists"),
        (&["first[].type"], "does not lead to a list"),
    ];
    for (key, expected) in table {
        let error = generated(key).unwrap_err().to_string();
        assert!(
            error.starts_with("/a.v1.Shop/Buy: ") && error.contains(expected),
            "{key:?}: {error}"
        );
    }
}

#[test]
fn whose_player_is_meant_is_a_field_of_the_request() {
    let declared = |own_player: &str| {
        let facts = MethodFacts { own_player: own_player.to_owned(), ..facts(&[]) };
        let contracts = contracts(&shop(Some(facts)));
        rust::module(&contracts, &contracts.declared().unwrap(), "a.v1").map(drop)
    };
    for right in ["", "player_id", "parts.type", "first.place.id"] {
        assert_eq!(declared(right), Ok(()), "{right}");
    }
    for wrong in ["player", "parts.id", "player_id.id"] {
        let error = declared(wrong).unwrap_err().to_string();
        assert!(error.starts_with("/a.v1.Shop/Buy: ") && error.contains("has no field"), "{error}");
    }
}

#[test]
fn what_not_everybody_reads_is_left_out_for_the_others() {
    let readers = vec![Role::Analyst.into(), Role::GameServer.into()];
    let options = FieldOptions { facts: Some(FieldFacts { readers }) };
    let secret = FieldDescriptor { options: Some(options), ..field("reason", STRING) };
    let open = FieldDescriptor {
        options: Some(FieldOptions { facts: Some(FieldFacts::default()) }),
        ..field("time", STRING)
    };
    let mut set = shop(Some(facts(&[])));
    set.file[0].message_type.push(message("Note", vec![secret, open]));
    let contracts = contracts(&set);
    let masks = rust::masks(&contracts, "a.v1");
    assert!(masks.contains("impl crate::method::Masked for Note"), "{masks}");
    assert!(masks.contains(
        "if !crate::method::reads(&[crate::common::v1::Role::Analyst, \
         crate::common::v1::Role::GameServer], role) {\n            \
         self.reason = Default::default();"
    ));
    assert!(!masks.contains("self.time") && !masks.contains("BuyRequest"), "{masks}");
    assert_eq!(rust::masks(&contracts, "b.v1"), "");
    let expected =
        ("a.v1.Note".to_owned(), "reason".to_owned(), vec![Role::Analyst, Role::GameServer]);
    assert_eq!(contracts.restricted_fields(), [expected]);
}

#[test]
fn only_the_files_of_some_services_are_left_with_what_they_import() {
    let file = |name: &str, dependency: &[&str]| FileDescriptor {
        name: name.into(),
        dependency: dependency.iter().map(ToString::to_string).collect(),
        ..Default::default()
    };
    let bank = FileDescriptor {
        name: "b/v1/bank.proto".into(),
        package: "b.v1".into(),
        service: vec![ServiceDescriptor { name: "Bank".into(), method: Vec::new() }],
        dependency: vec!["b/v1/money.proto".into()],
        ..Default::default()
    };
    let mut set = shop(Some(facts(&[])));
    set.file.insert(0, file("a/v1/shared.proto", &["base.proto"]));
    set.file.insert(0, file("base.proto", &[]));
    set.file.extend([file("b/v1/money.proto", &["base.proto"]), bank]);
    let left = |services: &[&str]| -> Vec<String> {
        let bytes = Contracts::only(&set.encode_to_vec(), services).unwrap();
        contracts(&FileDescriptorSet::decode(&*bytes).unwrap())
            .set
            .file
            .into_iter()
            .map(|f| f.name)
            .collect()
    };
    assert_eq!(left(&["a.v1.Shop"]), ["base.proto", "a/v1/shared.proto", "a/v1/shop.proto"]);
    assert_eq!(left(&["b.v1.Bank"]), ["base.proto", "b/v1/money.proto", "b/v1/bank.proto"]);
    assert_eq!(left(&["a.v1.Shop", "b.v1.Bank"]).len(), 5);
    assert!(left(&[]).is_empty());
    let whole = set.encode_to_vec();
    assert_eq!(Contracts::only(&whole, &["a.v1.Shop", "b.v1.Bank"]).unwrap(), whole);
}
