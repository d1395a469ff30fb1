use super::*;

const SECOND_US: i64 = 1_000_000;

fn refusal(validator: &str, field: &str) -> Error {
    Error::new(Code::ValidatorRefused, "")
        .with_fact("field", field)
        .with_fact("value", 9)
        .with_fact("bound", 5)
        .with_fact("validator", validator)
}

#[test]
fn an_honest_player_is_not_suspicious() {
    let mut player = Anomalies::default();
    for second in 0..3_600 {
        player.record_change(second * SECOND_US);
        if second % 60 == 0 {
            player.record_refusal(&refusal("position_speed", "position.x"), second * SECOND_US);
        }
        assert!(!player.is_suspicious(second * SECOND_US), "at {second} s");
    }
    assert_eq!((player.changes().count, player.refusals().count), (3_600, 60));
}

#[test]
fn a_player_who_runs_into_rules_again_and_again_is_suspicious_for_a_while() {
    let mut player = Anomalies::default();
    for second in 0..120 {
        player.record_change(second * SECOND_US);
        player.record_refusal(&refusal("position_speed", "position.x"), second * SECOND_US);
    }
    assert!(player.is_suspicious(120 * SECOND_US));
    assert!(!player.is_suspicious(1_200 * SECOND_US));
    let [rule] = player.rules() else { panic!("one rule") };
    assert_eq!(rule.rule, "position_speed position.x");
    assert_eq!((rule.rate.count, &*rule.last_value, &*rule.last_bound), (120, "9", "5"));
}

#[test]
fn frequent_refusals_among_many_more_changes_are_not_suspicious() {
    let mut player = Anomalies::default();
    for second in 0..600 {
        (0..30).for_each(|_| player.record_change(second * SECOND_US));
        player.record_refusal(&refusal("position_speed", "position.x"), second * SECOND_US);
    }
    assert!(player.refusals().per_second(600 * SECOND_US) * 60.0 > SUSPICIOUS_PER_MINUTE);
    assert!(!player.is_suspicious(600 * SECOND_US));
}

#[test]
fn a_steady_rate_is_measured() {
    let mut player = Anomalies::default();
    for step in 0..20_000 {
        player.record_refusal(&refusal("range", "level"), step * SECOND_US / 2);
    }
    let rate = player.refusals().per_second(10_000 * SECOND_US);
    assert!((rate - 2.0).abs() < 0.05, "{rate}");
}

#[test]
fn only_broken_rules_count_and_rules_are_bounded() {
    let mut player = Anomalies::default();
    player.record_refusal(&Error::new(Code::VersionConflict, ""), 0);
    assert_eq!(player, Anomalies::default());
    player.record_refusal(&Error::new(Code::SchemaViolation, "").with_fact("field", "level"), 0);
    assert_eq!(player.rules()[0].rule, "schema level");
    for rule in 0..100 {
        player.record_refusal(&refusal("range", &format!("f{rule}")), 0);
    }
    assert_eq!(player.rules().len(), RULES_MAX);
    assert_eq!(player.rules().iter().map(|rule| rule.rate.count).sum::<u64>(), 101);
}

#[test]
fn time_that_goes_back_counts_as_standing_still() {
    let mut player = Anomalies::default();
    player.record_change(10 * SECOND_US);
    player.record_change(5 * SECOND_US);
    assert_eq!(player.changes().last_us, 10 * SECOND_US);
    assert!(player.changes().per_second(0) <= 2.0 / RATE_TIME_S);
}
