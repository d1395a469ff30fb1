//! Many players at once, who all do their part.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{StreamExt as _, TryStreamExt as _};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::arena::{Arena, SEATS};
use super::parts::{Part, Told};
use super::player::Player;
use crate::exit::{Outcome, Problem};
use crate::load::WARM_UP;

/// Players who take their seats at the same time, and sessions that are created.
const JOINING_MAX: usize = 64;
const CREATING_MAX: usize = 16;

/// Whoever is not on the map by then does not come.
const GATHER_TIMEOUT: Duration = Duration::from_secs(80);

/// For answers that are under way when a measurement ends.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Who is to come, and how they are served.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guests {
    /// Number of the first.
    pub(super) first: u32,
    /// How many; whole sessions of them come.
    pub(super) players: u32,
    pub(super) tick_hz: i32,
    pub(super) frames_max_hz: u32,
}

/// What all players do at the moment.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Gather,
    Act {
        hz: Option<f64>,
    },
    /// What was counted so far does not count.
    Count,
    Stand,
    Tell,
    Leave,
}

enum Report {
    /// He is on the map.
    Ready,
    Told(Box<Told>),
    /// His connection has ended before its time.
    Gone(Problem),
}

/// Players with a connection each.
pub(super) struct Crowd {
    phase: watch::Sender<Phase>,
    reports: mpsc::Receiver<Report>,
    /// Those who are still there.
    players: u32,
    gone: Vec<Problem>,
    tasks: JoinSet<()>,
}

impl Crowd {
    /// Lets them take their seats, and waits until all of them are on the map.
    pub(super) async fn gather<P: Part>(
        arena: &Arc<Arena>,
        guests: Guests,
        part: impl Fn(u32) -> P,
    ) -> Outcome<Self> {
        let sessions = guests.players / SEATS;
        let players = sessions * SEATS;
        let created = futures::stream::iter(0..sessions)
            .map(|_| arena.session(SEATS, guests.tick_hz))
            .buffered(CREATING_MAX)
            .try_collect::<Vec<_>>();
        let created = created.await?;
        let (phase, phases) = watch::channel(Phase::Gather);
        let (sender, reports) = mpsc::channel(1_024);
        let joining = Arc::new(Semaphore::new(JOINING_MAX));
        let mut tasks = JoinSet::new();
        for n in 0..players {
            let session = created[(n / SEATS) as usize].clone();
            let (number, part) = (guests.first + n, part(n));
            let (arena, joining) = (arena.clone(), joining.clone());
            let (phases, reports) = (phases.clone(), sender.clone());
            tasks.spawn(async move {
                let play = async {
                    let turn = joining.acquire().await.map_err(Problem::failed)?;
                    let hz = guests.frames_max_hz;
                    let player = Player::join(&arena, &session, number, hz).await?;
                    drop(turn);
                    play(player, part, phases, &reports).await
                };
                if let Err(problem) = play.await {
                    let _ = reports.send(Report::Gone(problem)).await;
                }
            });
        }
        let mut crowd = Self { phase, reports, players, gone: Vec::new(), tasks };
        let deadline = tokio::time::Instant::now() + GATHER_TIMEOUT;
        for ready in 0..players {
            let report = tokio::time::timeout_at(deadline, crowd.reports.recv()).await;
            match report {
                Ok(Some(Report::Gone(problem))) => return Err(problem),
                Ok(Some(_)) => {}
                Ok(None) => return Err(Problem::failed("the players have gone")),
                Err(_) => {
                    return Err(Problem::failed(format!(
                        "{ready} of {players} players are on the map after {GATHER_TIMEOUT:?}"
                    )));
                }
            }
        }
        Ok(crowd)
    }

    /// Has them act for so long, after a time that does not count, and answers what they counted.
    pub(super) async fn act(&mut self, duration: Duration, hz: Option<f64>) -> Outcome<Told> {
        self.tell(Phase::Act { hz });
        sleep(WARM_UP).await;
        self.tell(Phase::Count);
        sleep(duration).await;
        self.tell(Phase::Stand);
        sleep(LAST_ANSWERS).await;
        self.tell(Phase::Tell);
        let mut told = Told::default();
        let mut awaited = self.players;
        while awaited > 0 {
            match self.reports.recv().await {
                Some(Report::Told(one)) => told.add(*one),
                Some(Report::Gone(problem)) => {
                    self.players -= 1;
                    self.gone.push(problem);
                }
                Some(Report::Ready) => continue,
                None => return Err(Problem::failed("the players have gone")),
            }
            awaited -= 1;
        }
        Ok(told)
    }

    fn tell(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// How many are still there.
    pub(super) const fn players(&self) -> u32 {
        self.players
    }

    /// Why others are not.
    pub(super) fn gone(&self) -> &[Problem] {
        &self.gone
    }

    /// Everybody is still there.
    pub(super) fn require_all(&self) -> Outcome {
        self.gone.first().map_or(Ok(()), |first| {
            Err(Problem::failed(format!("{} connections have ended: {first}", self.gone.len())))
        })
    }

    /// Lets them go.
    pub(super) async fn leave(mut self) {
        self.tell(Phase::Leave);
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn play<P: Part>(
    mut player: Player,
    mut part: P,
    mut phases: watch::Receiver<Phase>,
    reports: &mpsc::Sender<Report>,
) -> Outcome {
    let (mut is_ready, mut acts, mut out) = (false, false, Vec::new());
    let tell = async |report| reports.send(report).await.map_err(Problem::failed);
    loop {
        if !is_ready && player.place.is_some() {
            is_ready = true;
            tell(Report::Ready).await?;
        }
        let due = part.due().filter(|_| acts);
        tokio::select! {
            frame = player.hear() => part.heard(&frame?, Instant::now()),
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                part.act(&player, Instant::now(), &mut out);
                for said in out.drain(..) {
                    player.say(said).await?;
                }
            }
            changed = phases.changed() => {
                changed.map_err(Problem::failed)?;
                let phase = *phases.borrow_and_update();
                match phase {
                    Phase::Gather => {}
                    Phase::Act { hz } => {
                        part.begin(&player, Instant::now(), hz);
                        acts = true;
                    }
                    Phase::Count => drop(part.told()),
                    Phase::Stand => acts = false,
                    Phase::Tell => tell(Report::Told(Box::new(part.told()))).await?,
                    Phase::Leave => {
                        player.close().await;
                        return Ok(());
                    }
                }
            }
        }
    }
}
