//! What tells the process to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Signals waiting to be acted on; the first two have a meaning.
const SIGNALS_MAX: usize = 4;

/// Requests to stop: the first drains, the second aborts.
#[derive(Debug)]
pub struct Signals(mpsc::Receiver<&'static str>);

/// Sends a request to stop without a signal of the operating system.
#[derive(Debug, Clone)]
pub struct Trigger(mpsc::Sender<&'static str>);

impl Signals {
    /// SIGTERM and SIGINT of this process. Call it within the runtime.
    pub fn of_process() -> std::io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (sender, receiver) = mpsc::channel(SIGNALS_MAX);
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                if sender.send(name).await.is_err() {
                    break;
                }
            }
        });
        Ok(Self(receiver))
    }

    /// Requests that the holder of the trigger makes.
    pub fn manual() -> (Trigger, Self) {
        let (sender, receiver) = mpsc::channel(SIGNALS_MAX);
        (Trigger(sender), Self(receiver))
    }

    /// The next request. Never, when nobody is left who could make one.
    pub(crate) async fn next(&mut self) -> &'static str {
        match self.0.recv().await {
            Some(name) => name,
            None => std::future::pending().await,
        }
    }
}

impl Trigger {
    /// Asks to stop. More requests than can have a meaning are dropped.
    pub fn stop(&self) {
        let _ = self.0.try_send("stop");
    }
}
