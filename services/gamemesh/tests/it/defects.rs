//! Each defect that can be seeded in a server is found by the test that is named with it. A server of
//! a release build has none of them.

use gamemesh_testkit::defect::is_found;

use super::outbox;

const GAP: &str = "a gap or a repetition";

/// The writer answers before it commits, and dies before it has.
#[test]
fn an_early_acknowledgement_is_found_by_deaths() {
    let test = "it::crash::faults_lose_nothing_and_double_nothing";
    let rounds = [("GAMEMESH_FAULT_ROUNDS", "2")];
    is_found("sqlite.acknowledge_early", test, &rounds, &["acknowledged", GAP]).unwrap();
}

/// A token names the position after the one that was examined.
#[test]
fn a_checkpoint_off_by_one_is_found_by_a_watcher_that_is_cut_off() {
    let test =
        "it::watch::a_watcher_that_is_cut_off_after_every_message_sees_each_change_once_in_order";
    is_found("watch.checkpoint", test, &[], &[GAP, "TOKEN_FOREIGN"]).unwrap();
}

/// The projection's cursor is saved before its rows, and the instance dies between them.
#[test]
fn a_cursor_before_its_rows_is_found_by_a_death_between_them() {
    let test = "it::faults::tables::the_last_row_before_a_death_is_in_its_table";
    is_found("postgres.cursor_first", test, &[], &["is not in the table"]).unwrap();
}

/// The relay's cursor names the position after the one that Kafka has acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_off_by_one_is_found_by_the_topic_after_a_restart() {
    is_found_in_the_topic("relay.checkpoint", "it::outbox::every_write_is_an_event_of_the_topic")
        .await;
}

/// The relay saves its cursor when it hands over, and dies before Kafka has acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_before_its_events_is_found_by_a_death_before_the_cursor() {
    let test = "it::outbox::a_death_before_the_cursor_repeats_a_suffix_and_nothing_else";
    is_found_in_the_topic("relay.cursor_first", test).await;
}

/// A shot is answered as durable before its block is.
#[test]
fn an_early_answer_to_a_shot_is_found_by_deaths() {
    let test = "it::combat::crash::a_match_on_a_file_outlives_the_deaths_of_its_server";
    is_found("combat.acknowledge_early", test, &[], &["after", "durable", "has fired no shot"])
        .unwrap();
}

/// The owner of a session does not look at its licence.
#[test]
fn an_owner_who_does_not_look_at_its_licence_is_found_when_it_wakes() {
    let test =
        "it::combat::several::sleeper::an_owner_that_slept_past_its_lease_is_done_with_the_session";
    is_found("combat.licence", test, &[], &["it showed something", "left: 4408"]).unwrap();
}

async fn is_found_in_the_topic(defect: &'static str, test: &'static str) {
    let brokers = outbox::brokers().await;
    let found = move || {
        let environment = [("KAFKA_BROKERS", brokers.as_str())];
        is_found(defect, test, &environment, &["left == right"])
    };
    tokio::task::spawn_blocking(found).await.unwrap().unwrap();
}
