use std::time::Duration;

use super::*;

/// The page that explains every reason to users.
const PAGE: &str = include_str!("../../../../docs/errors.md");

const BEGIN: &str = "<!-- table: kept true by gamemesh-rpc's tests -->\n";
const END: &str = "<!-- /table -->";

fn table() -> String {
    let mut table = String::from("| reason | gRPC | HTTP | retry |\n|---|---|---|---|\n");
    for code in Code::ALL {
        let Row { grpc, http, retryable } = row(*code);
        let reason = code.reason();
        let name = constant(grpc);
        let retry = if retryable { "yes" } else { "no" };
        let anchor = reason.to_ascii_lowercase();
        table.push_str(&format!("| [`{reason}`](#{anchor}) | `{name}` | {http} | {retry} |\n"));
    }
    table
}

/// `NotFound` as the specification writes it: `NOT_FOUND`.
fn constant(grpc: Grpc) -> String {
    let mut name = String::new();
    for letter in format!("{grpc:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[test]
fn the_page_has_the_table_and_a_section_for_every_reason() {
    let begin = PAGE.find(BEGIN).unwrap() + BEGIN.len();
    let end = PAGE.find(END).unwrap();
    assert_eq!(&PAGE[begin..end], table(), "replace the table in docs/errors.md by:\n{}", table());
    let sections: Vec<&str> = PAGE.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let reasons: Vec<&str> = Code::ALL.iter().map(|code| code.reason()).collect();
    assert_eq!(sections, reasons, "the sections are the reasons, in their order");
    for (at, section) in PAGE.split("\n## ").skip(1).enumerate() {
        assert!(section.contains("**What to do**"), "{}: says not what to do", reasons[at]);
    }
}

#[test]
fn http_follows_grpc() {
    for code in Code::ALL {
        let Row { grpc, http, .. } = row(*code);
        // The mapping of google.rpc.Code; HTTP distinguishes a few that gRPC does not.
        let expected: &[u16] = match grpc {
            Grpc::InvalidArgument => &[400, 415],
            Grpc::FailedPrecondition | Grpc::OutOfRange => &[400],
            Grpc::NotFound => &[404],
            Grpc::AlreadyExists | Grpc::Aborted => &[409],
            Grpc::PermissionDenied => &[403],
            Grpc::Unauthenticated => &[401],
            Grpc::ResourceExhausted => &[429, 413],
            Grpc::Cancelled => &[499],
            Grpc::Unimplemented => &[501, 405],
            Grpc::Unavailable => &[503],
            Grpc::DeadlineExceeded => &[504],
            Grpc::Internal | Grpc::DataLoss | Grpc::Unknown => &[500],
            Grpc::Ok => &[],
        };
        assert!(expected.contains(&http), "{code:?} is {grpc:?} and {http}");
    }
    let mut reasons: Vec<&str> = Code::ALL.iter().map(|code| code.reason()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    assert_eq!(reasons.len(), Code::ALL.len(), "reasons are unique");
}

#[test]
fn a_status_has_the_details_and_not_the_context() {
    let error = Error::new(Code::VersionConflict, "version 3 was expected")
        .with_field("expectedVersion", "must be 4")
        .with_fact("actualVersion", 4)
        .with_retry_after(Duration::from_millis(50))
        .with_context("host=10.0.0.1 password=hunter2");
    let status = to_status(&error);
    assert_eq!((status.code(), status.message()), (Grpc::Aborted, "version 3 was expected"));
    let info = status.get_details_error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("VERSION_CONFLICT", DOMAIN));
    assert_eq!(info.metadata["actualVersion"], "4");
    let request = status.get_details_bad_request().unwrap();
    assert_eq!(request.field_violations[0].field, "expectedVersion");
    let retry = status.get_details_retry_info().unwrap().retry_delay;
    assert_eq!(retry, Some(Duration::from_millis(50)));
    assert!(status.get_details_precondition_failure().is_none());
    let text = format!("{status:?} {:?}", String::from_utf8_lossy(status.details()));
    assert!(!text.contains("hunter2"), "{text}");

    let refused = to_status(
        &Error::new(Code::ValidatorRefused, "too fast").with_field("position", "at most 12 m/s"),
    );
    let failure = refused.get_details_precondition_failure().unwrap();
    assert_eq!(failure.violations[0].r#type, "VALIDATOR_REFUSED");
    assert_eq!(failure.violations[0].subject, "position");
}

#[test]
fn json_is_that_of_google_rpc_status() {
    let error = Error::new(Code::RateLimited, "too many")
        .with_fact("limitPerSecond", 5)
        .with_retry_after(Duration::from_millis(1500));
    let json = to_json(&error);
    assert_eq!(json["code"], 8);
    assert_eq!(json["message"], "too many");
    assert_eq!(json["details"][0]["@type"], "type.googleapis.com/google.rpc.ErrorInfo");
    assert_eq!(json["details"][0]["reason"], "RATE_LIMITED");
    assert_eq!(json["details"][0]["metadata"]["limitPerSecond"], "5");
    assert_eq!(json["details"][1]["retryDelay"], "1.500000000s");
    let response = to_http(&error);
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "2", "rounded up");
}

#[test]
fn handlers_answer_with_the_domains_result() {
    assert_eq!(Ok::<_, Error>(1).or_status().unwrap(), 1);
    let refused = Err::<(), _>(Error::new(Code::NotFound, "no such player")).or_status();
    assert_eq!(refused.unwrap_err().code(), Grpc::NotFound);
}
