use proptest::prelude::*;

use super::*;
use crate::document::{Map, arbitrary, parse_timestamp};

fn map<const LEN: usize>(entries: [(&str, Value); LEN]) -> Value {
    Map::from(entries).into()
}

fn state() -> Value {
    map([
        ("level", 12.into()),
        ("health", Value::number(37.5).unwrap()),
        ("status", "online".into()),
        ("name", "Andrea \"dragon\" 🐉".into()),
        ("banned", false.into()),
        ("nothing", Value::Null),
        ("inventory", map([("gold", 7.into()), ("boss.key", 1.into()), ("42", 3.into())])),
        ("tags", vec!["pvp".into(), 5.into(), map([("id", 9.into())])].into()),
        ("_type", "mine".into()),
        ("changed", true.into()),
    ])
}

fn holds(filter: &str) -> bool {
    let (state, before) = (state(), map([("level", 11.into()), ("nothing", Value::Null)]));
    let facts = Facts {
        type_name: "player",
        id: "p-42",
        version: 9,
        updated_at_us: parse_timestamp("2026-11-21T06:44:52.5Z").unwrap(),
        state: &state,
        event: Some(EventFacts { kind: "merged", before: &before, after: &state }),
    };
    filter.parse::<Filter>().unwrap_or_else(|error| panic!("{filter}: {error}")).matches(&facts)
}

#[test]
fn filters_match_what_they_say() {
    for (filter, expected) in [
        ("", true),
        ("  ", true),
        ("level >= 10", true),
        ("level>=10", true),
        ("level > 12", false),
        ("level <= 12", true),
        ("level < 12.5", true),
        ("level = 12.0", true),
        ("level = 1.2e1", true),
        ("level != 12", false),
        ("level = \"12\"", false),
        ("level != \"12\"", true),
        ("level < \"a\"", false),
        ("health = 37.5", true),
        ("health > -1", true),
        ("status = online", true),
        ("status = \"online\"", true),
        ("status > \"offline\"", true),
        ("status != offline", true),
        ("banned = false", true),
        ("banned = true", false),
        ("banned != null", true),
        ("nothing = null", true),
        ("missing = null", true),
        ("missing != 5", true),
        ("missing = 5", false),
        ("missing < 5", false),
        ("missing.deeper.still = null", true),
        ("inventory.gold < 8", true),
        ("inventory.\"boss.key\" = 1", true),
        ("inventory.42 = 3", true),
        ("tags.1 = 5", true),
        ("tags.2.id = 9", true),
        ("name : \"dra\"", true),
        ("name : \"\\\"dragon\\\"\"", true),
        ("name : \"🐉\"", true),
        ("inventory : gold", true),
        ("inventory : silver", false),
        ("tags : pvp", true),
        ("tags : 5", true),
        ("tags : pv", false),
        ("level : 12", true),
        ("level : *", true),
        ("nothing : *", false),
        ("missing : *", false),
        ("missing : x", false),
        ("NOT level = 12", false),
        ("NOT NOT level = 12", true),
        ("-level = 12", false),
        ("-level = 1", true),
        ("- level = 1", true),
        ("--level = 12", true),
        ("-(level = 12 AND status = offline)", true),
        ("-\"level\" = 1", true),
        ("level = 12 -status = online", false),
        ("\"-n\" = null", true),
        ("level = 12 AND status = offline", false),
        ("level = 1 OR status = online", true),
        ("level = 12 status = online", true),
        ("level = 12 status = offline", false),
        ("level = 12 OR level = 1 AND status = offline", false),
        ("level = 12 OR (level = 1 AND status = offline)", true),
        (
            "level >= 10 AND (status = \"offline\" OR NOT inventory.gold < 5) AND name : \"dra\"",
            true,
        ),
        ("_type = player", true),
        ("\"_type\" = mine", true),
        ("_id : \"42\"", true),
        ("_id < q", true),
        ("_version = 9", true),
        ("_version > 8.5", true),
        ("_updated_at > \"2026-11-21T06:44:52Z\"", true),
        ("_updated_at < \"2026-11-21T07:44:52+01:00\"", false),
        ("_kind = merged", true),
        ("_kind : *", true),
        ("changed : level", true),
        ("changed:inventory.gold", true),
        ("changed : nothing", false),
        ("changed : missing", false),
        ("\"changed\" = true", true),
        ("changed.x = null", true),
    ] {
        assert_eq!(holds(filter), expected, "{filter}");
    }
}

#[test]
fn creation_and_deletion_change_what_is_there() {
    let there = map([("health", 5.into())]);
    for (before, after) in [(&Value::Null, &there), (&there, &Value::Null)] {
        let seen = if after.is_null() { before } else { after };
        let event = Some(EventFacts { kind: "k", before, after });
        let facts =
            Facts { type_name: "t", id: "i", version: 1, updated_at_us: 0, state: seen, event };
        let matches = |filter: &str| filter.parse::<Filter>().unwrap().matches(&facts);
        assert!(matches("changed : health"));
        assert!(!matches("changed : level"));
    }
}

#[test]
fn fields_that_a_closed_type_cannot_have_are_refused_with_the_nearest() {
    let field = |path: &str, value| crate::document::Field {
        path: path.parse().unwrap(),
        description: String::new(),
        value,
        required: false,
        default: None,
        merge: crate::document::Merge::default(),
    };
    let schema = |open| {
        use crate::document::ValueSchema::{Any, Float, Map};
        let number = || Float { min: None, max: None };
        Schema::new(crate::document::Declaration {
            type_name: "player".parse().unwrap(),
            description: String::new(),
            fields: vec![
                field("position.x", number()),
                field("health", number()),
                field("inventory", Map { of: None, length_max: None }),
                field("extra", Any),
            ],
            open,
            validators: Vec::new(),
            builtin: false,
        })
        .unwrap()
    };
    let check = |filter: &str, open| {
        filter.parse::<Filter>().unwrap().check_fields(&schema(open)).map_err(|e| e.message)
    };
    for known in
        ["position : x", "position.x > 1", "inventory.a.b = 1", "_version = 1", "extra.q = 1"]
    {
        assert_eq!(check(known, false), Ok(()));
    }
    for (unknown, nearest) in [
        ("positionX > 50", "perhaps position.x:"),
        ("health = 1 AND NOT (changed : position_x)", "perhaps position.x:"),
        ("helth = 1", "perhaps health:"),
        ("health.x = 1", "accepts position.x, health, inventory, extra"),
        ("mana : *", "mana is not a field of player: accepts position.x"),
    ] {
        let refused = check(unknown, false).unwrap_err();
        assert!(refused.contains(nearest), "{refused}");
        assert_eq!(check(unknown, true), Ok(()));
    }
}

#[test]
fn what_is_no_filter_is_refused_at_its_column() {
    let deep = format!("{}a = 1{}", "(".repeat(33), ")".repeat(33));
    let wide = vec!["a = 1"; 65].join(" AND ");
    let long = format!("a = \"{}\"", "x".repeat(2_048));
    for (filter, column) in [
        ("level", 6),
        ("level >=", 9),
        ("level = = 5", 9),
        ("level 5", 7),
        ("(level = 5", 11),
        ("level = 5)", 10),
        ("level = 5 AND", 14),
        ("level = 5 OR OR a = 1", 14),
        ("AND level = 5", 1),
        ("NOT", 4),
        ("é = 1 AND ü ~ 2", 13),
        ("name = \"abc", 8),
        ("name = \"a\\n\"", 8),
        ("level = 12abc", 9),
        ("level = 9007199254740992", 9),
        ("level < null", 9),
        ("level >= true", 10),
        ("_version = nine", 12),
        ("_version : 9", 12),
        ("_updated_at > yesterday", 15),
        ("_type = 5", 9),
        ("_nope = 5", 1),
        ("a..b = 1", 1),
        ("changed = 1", 9),
        ("changed : 1 2", 14),
        ("a : (b)", 5),
        ("a\"b\" = 1", 1),
        ("\0", 1),
        ("name : 🐉", 8),
        (&deep, 33),
        (&wide, 64 * 10 + 1),
        (&long, 1),
    ] {
        let error = filter.parse::<Filter>().unwrap_err();
        let start = format!("filter: column {column}: ");
        assert!(error.message.starts_with(&start), "{filter}: {error}");
    }
}

#[test]
fn the_canonical_form_binds_tokens() {
    let filter = |text: &str| text.parse::<Filter>().unwrap();
    let written = "((level>=10.0)) (status=online OR (\"level\" = 5 OR NOT (a=1 AND b=2)))";
    let printed = filter(written).to_string();
    let canonical = "level >= 10 AND status = \"online\" OR level = 5 OR NOT (a = 1 AND b = 2)";
    assert_eq!(printed, canonical);
    assert_eq!(filter(written).fingerprint(), filter(&printed).fingerprint());
    assert_ne!(filter("a = 1").fingerprint(), filter("a = 2").fingerprint());
    assert_eq!(filter("").fingerprint(), 0xcbf2_9ce4_8422_2325);
    assert_eq!(filter("a = 1").fingerprint(), 0x38c2_b90a_1ce5_cbd0);
    assert!(filter("a = 1 OR changed : b").needs_events());
    assert!(filter("NOT _kind = deleted").needs_events());
    assert!(!filter("a = 1").needs_events());
}

fn node() -> impl Strategy<Value = Node> {
    let comparison = (0..6_usize).prop_map(|index| Comparison::SIGNS[index].1);
    let literal = || {
        prop_oneof![
            arbitrary::number().prop_map(Literal::Number),
            ".{0,6}".prop_map(|text| Literal::Text(text.into())),
        ]
    };
    let field = || {
        let special =
            proptest::sample::select(vec!["changed", "NOT", "_id", "AND", "true", "_id.a"]);
        prop_oneof![
            4 => arbitrary::path(),
            1 => special.prop_map(|text| text.parse().unwrap()),
        ]
        .prop_map(Subject::Field)
    };
    let moment = Just(Literal::Text("2026-11-21T06:44:52Z".into()));
    let leaf = prop_oneof![
        (field(), comparison.clone(), literal())
            .prop_map(|(subject, comparison, literal)| Node::Compare(subject, comparison, literal)),
        (field(), prop_oneof![Just(Literal::Null), Just(Literal::Bool(true))])
            .prop_map(|(subject, literal)| Node::Compare(subject, Comparison::Equal, literal)),
        (comparison, moment).prop_map(|(comparison, literal)| Node::Compare(
            Subject::UpdatedAt,
            comparison,
            literal
        )),
        (field(), literal()).prop_map(|(subject, literal)| Node::Has(subject, literal)),
        field().prop_map(Node::Present),
        arbitrary::path().prop_map(Node::Changed),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let several = || proptest::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            several().prop_map(|nodes| flat(nodes, Node::And)),
            several().prop_map(|nodes| flat(nodes, Node::Or)),
            inner.clone().prop_map(|node| Node::Not(Box::new(node))),
        ]
    })
}

/// As the parser has it: no conjunction in a conjunction.
fn flat(nodes: Vec<Node>, join: fn(Vec<Node>) -> Node) -> Node {
    let probe = join(Vec::new());
    let open = |node| match node {
        Node::And(inner) if matches!(probe, Node::And(_)) => inner,
        Node::Or(inner) if matches!(probe, Node::Or(_)) => inner,
        node => vec![node],
    };
    join(nodes.into_iter().flat_map(open).collect())
}

proptest! {
    #[test]
    fn what_is_written_is_read(root in node()) {
        let filter = Filter { root: Some(root) };
        let text = filter.to_string();
        prop_assume!(text.len() <= FILTER_BYTES_MAX);
        prop_assert_eq!(text.parse::<Filter>().map_err(|error| format!("{text}: {error}")), Ok(filter));
    }

    #[test]
    fn any_text_is_read_or_refused(
        text in prop_oneof![
            ".{0,40}",
            "[ab.\"\\\\()<>=!:* 0-9_-]{0,24}",
            "(NOT |AND |OR |[(]|a|=|5|\"x\"|[)]| |changed|:|_id){0,16}",
        ],
    ) {
        if let Ok(filter) = text.parse::<Filter>() {
            prop_assert_eq!(filter.to_string().parse::<Filter>(), Ok(filter));
        }
    }

    #[test]
    fn logic_is_logic(a in node(), b in node(), state in arbitrary::state(), before in arbitrary::state()) {
        let event = Some(EventFacts { kind: "merged", before: &before, after: &state });
        let facts = Facts {
            type_name: "t", id: "i", version: 1, updated_at_us: 0, state: &state, event,
        };
        let holds = |node: &Node| matching::matches(node, &facts);
        let not = |node: &Node| Node::Not(Box::new(node.clone()));
        prop_assert_eq!(holds(&not(&a)), !holds(&a));
        prop_assert_eq!(holds(&Node::And(vec![a.clone(), b.clone()])), holds(&a) && holds(&b));
        prop_assert_eq!(holds(&Node::Or(vec![a.clone(), b.clone()])), holds(&a) || holds(&b));
    }
}
