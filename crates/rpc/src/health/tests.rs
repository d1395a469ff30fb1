use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gamemesh_domain::{Code, Error};
use http_body_util::BodyExt as _;

use super::*;

async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// A check that can be switched, and forgets its answers by itself only after their time.
fn switched() -> (Arc<AtomicBool>, Arc<AtomicUsize>, Check) {
    let (up, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (answer, count) = (up.clone(), asked.clone());
    let check = Check::new("database", move || {
        count.fetch_add(1, Ordering::SeqCst);
        let up = answer.load(Ordering::SeqCst);
        async move {
            if up {
                return Ok(());
            }
            Err(Error::new(Code::DependencyUnavailable, "the database is away")
                .with_context("password=hunter2"))
        }
    });
    (up, asked, check)
}

#[tokio::test]
async fn readiness_follows_lifecycle_and_checks() {
    let (up, _, check) = switched();
    let lifecycle = Lifecycle::new();
    let health = Health::new(vec!["a.B"], Checks::new(vec![check]), lifecycle.clone()).await;

    let (code, body) = answer(health.ready().await).await;
    assert_eq!((code, &body["status"]), (503, &json!("starting")));

    lifecycle.serve();
    let (code, body) = answer(health.ready().await).await;
    assert_eq!((code, &body["status"]), (200, &json!("healthy")));
    assert_eq!(body["checks"]["database"]["status"], "healthy");
    assert!(body["checks"]["database"]["latency_ms"].is_number());

    up.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(550)).await;
    let (code, body) = answer(health.ready().await).await;
    assert_eq!((code, &body["status"]), (503, &json!("unhealthy")));
    assert_eq!(body["checks"]["database"]["error"], "the database is away");
    assert!(!body.to_string().contains("hunter2"), "the context is not public");

    let (code, body) = answer(health.live()).await;
    assert_eq!((code, body), (200, json!({ "status": "healthy", "checks": {} })));

    lifecycle.drain();
    let (code, body) = answer(health.ready().await).await;
    assert_eq!((code, &body["status"]), (503, &json!("draining")));
}

#[tokio::test]
async fn a_flood_of_probes_asks_the_dependency_once() {
    let (_, asked, check) = switched();
    let checks = Checks::new(vec![check]);
    for _ in 0..100 {
        checks.run().await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_silent_dependency_is_not_waited_for_without_end() {
    let checks = Checks::new(vec![Check::new("kafka", || async {
        std::future::pending::<()>().await;
        Ok(())
    })]);
    let reports = checks.run().await;
    assert!(reports[0].problem.as_deref().unwrap().contains("no answer within"));
}
