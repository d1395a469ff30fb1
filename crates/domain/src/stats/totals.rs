//! Figures over all matches, and the boards that follow from them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::codec::{Reader, Writer};
use super::{Board, Figures, METRICS, Name, Place, Season, Standing, Window, WindowKind};

/// Windows of each kind that are kept beside the one of now; all time has one window.
const KEPT: [(WindowKind, i64); 3] =
    [(WindowKind::Season, 8), (WindowKind::Week, 26), (WindowKind::Day, 62)];

/// What a match adds to the totals of its players: absolute, so that it may come any number of times
/// and only the newest counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    pub match_id: Name,
    pub version: u64,
    /// By which windows know the match.
    pub dated_us: i64,
    /// In the order of their ids; none for a match that is void.
    pub players: Vec<(Name, Figures)>,
}

/// All players' totals. One task owns them.
#[derive(Debug, Default)]
pub struct Totals {
    season: Season,
    matches: HashMap<Name, Packed>,
    players: HashMap<Name, Player>,
    boards: BTreeMap<Window, Vec<Board>>,
    frozen: BTreeSet<Window>,
}

/// A contribution as it is kept: most figures of most players are zero.
#[derive(Debug)]
struct Packed {
    version: u64,
    dated_us: i64,
    /// In the order of their ids.
    players: Box<[(Name, Box<[u8]>)]>,
}

#[derive(Debug, Default)]
struct Player {
    matches: BTreeSet<Name>,
    /// Each by itself: what a map keeps room for is many times what most players have.
    windows: BTreeMap<Window, Box<Figures>>,
}

impl Totals {
    pub fn new(season: Season) -> Self {
        Self { season, ..Self::default() }
    }

    pub fn season(&self) -> Season {
        self.season
    }

    pub fn players(&self) -> usize {
        self.players.len()
    }

    pub fn matches(&self) -> usize {
        self.matches.len()
    }

    /// Takes what a match adds, in place of what it added before. An older version changes nothing.
    pub fn apply(&mut self, new: &Contribution) {
        let old = self.matches.get(&new.match_id).map(|old| (old.version, old.dated_us));
        if old.is_some_and(|(version, _)| version >= new.version) {
            return;
        }
        let old = self.matches.remove(&new.match_id);
        let packed = Packed::of(new);
        let mut windows: BTreeSet<Window> = Window::all(new.dated_us, self.season).into();
        let mut changed: BTreeSet<Name> =
            new.players.iter().map(|(name, _)| name.clone()).collect();
        if let Some(old) = &old {
            windows.extend(Window::all(old.dated_us, self.season));
            changed.extend(old.players.iter().map(|(name, _)| name.clone()));
        }
        windows.retain(|window| !self.frozen.contains(window));
        let same_date = old.as_ref().is_none_or(|old| old.dated_us == new.dated_us);
        let match_id = new.match_id.clone();
        for name in changed {
            let before = old.as_ref().and_then(|old| old.figures(&name));
            let after = new.figures(&name);
            let player = self.players.entry(name.clone()).or_default();
            if after.is_some() {
                player.matches.insert(match_id.clone());
            } else {
                player.matches.remove(&match_id);
            }
            for &window in &windows {
                let was = player.windows.get(&window).map(|was| Figures::clone(was));
                let mut now = was.clone().unwrap_or_default();
                // A window that is summed up no more, or not yet, does not have what the match added before.
                let has_before = before.is_none() || was.is_some();
                let exact = same_date
                    && has_before
                    && after.is_some_and(|after| now.replace(before.as_ref(), after));
                let kept = if exact {
                    Some(now)
                } else {
                    sum(&name, &self.matches, new, &player.matches, window, self.season)
                };
                let boards = self.boards.entry(window).or_default();
                move_places(boards, &name, was.as_ref(), kept.as_ref());
                match kept {
                    Some(now) => player.windows.insert(window, Box::new(now)),
                    None => player.windows.remove(&window),
                };
            }
            if player.matches.is_empty() && player.windows.is_empty() {
                self.players.remove(&name);
            }
        }
        self.matches.insert(match_id, packed);
    }

    /// A player's figures in a window.
    pub fn figures(&self, player: &str, window: Window) -> Option<&Figures> {
        self.players.get(player)?.windows.get(&window).map(AsRef::as_ref)
    }

    /// The matches that a player's totals come from, in the order of their ids.
    pub fn matches_of(&self, player: &str) -> Vec<Name> {
        self.players.get(player).map_or_else(Vec::new, |p| p.matches.iter().cloned().collect())
    }

    /// The board of a metric, by its number in [`METRICS`]. `None` if nobody stands on it.
    pub fn board(&self, window: Window, metric: usize) -> Option<&Board> {
        self.boards.get(&window)?.get(metric).filter(|board| !board.is_empty())
    }

    /// A player's place on a board.
    pub fn place(&self, player: &str, window: Window, metric: usize) -> Option<(Place, Standing)> {
        let (name, totals) = self.players.get_key_value(player)?;
        let place = place(name, totals.windows.get(&window)?, metric)?;
        let standing = self.board(window, metric)?.standing(&place);
        Some((place, standing))
    }

    /// Windows that have something on their boards.
    pub fn windows(&self) -> impl Iterator<Item = Window> + '_ {
        self.boards.keys().copied()
    }

    pub fn is_frozen(&self, window: Window) -> bool {
        self.frozen.contains(&window)
    }

    /// Windows that ended before an instant, are not frozen yet and can still be asked for.
    pub fn closable(&self, before_us: i64) -> Vec<Window> {
        self.windows()
            .filter(|window| {
                window.span_us(self.season).1 <= before_us
                    && !self.frozen.contains(window)
                    && Self::keeps(self.season, *window, before_us)
            })
            .collect()
    }

    /// Lets go of a window whose figures are kept elsewhere from now on. Nothing is added to it any more.
    pub fn freeze(&mut self, window: Window) {
        self.frozen.insert(window);
        self.forget(|other| *other == window);
    }

    /// Lets go of windows that cannot be asked for any more.
    pub fn forget_old(&mut self, now_us: i64) {
        let season = self.season;
        self.frozen.retain(|window| Self::keeps(season, *window, now_us));
        self.forget(|window| !Self::keeps(season, *window, now_us));
    }

    fn forget(&mut self, is_over: impl Fn(&Window) -> bool) {
        let before = self.boards.len();
        self.boards.retain(|window, _| !is_over(window));
        if self.boards.len() == before {
            return;
        }
        self.players.retain(|_, player| {
            player.windows.retain(|window, _| !is_over(window));
            !player.matches.is_empty() || !player.windows.is_empty()
        });
    }

    /// Whether a window can be asked for at an instant, or is too old.
    pub fn keeps(season: Season, window: Window, now_us: i64) -> bool {
        let kept = KEPT.iter().find(|(kind, _)| *kind == window.kind);
        kept.is_none_or(|(kind, kept)| {
            window.number >= Window::of(*kind, now_us, season).number - kept
        })
    }

    /// A frozen window by itself, as it was when it was closed.
    pub fn of_frozen(season: Season, window: Window, figures: Vec<(Name, Figures)>) -> Self {
        let mut totals = Self::new(season);
        let mut boards = Vec::new();
        for (name, figures) in figures {
            move_places(&mut boards, &name, None, Some(&figures));
            totals.players.entry(name).or_default().windows.insert(window, Box::new(figures));
        }
        totals.boards.insert(window, boards);
        totals.frozen.insert(window);
        totals
    }

    /// Everybody's figures in a window, in the order of their ids.
    pub fn in_window(&self, window: Window) -> Vec<(Name, Figures)> {
        let mut all: Vec<_> = self
            .players
            .iter()
            .filter_map(|(name, player)| {
                Some((name.clone(), Figures::clone(player.windows.get(&window)?)))
            })
            .collect();
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

impl Contribution {
    fn figures(&self, player: &Name) -> Option<&Figures> {
        let at = self.players.binary_search_by(|(name, _)| name.cmp(player)).ok()?;
        Some(&self.players[at].1)
    }
}

impl Packed {
    fn of(contribution: &Contribution) -> Self {
        let pack = |(name, figures): &(Name, Figures)| {
            let mut out = Writer::default();
            figures.put(&mut out, contribution.dated_us);
            (name.clone(), out.0.into_boxed_slice())
        };
        Self {
            version: contribution.version,
            dated_us: contribution.dated_us,
            players: contribution.players.iter().map(pack).collect(),
        }
    }

    fn figures(&self, player: &Name) -> Option<Figures> {
        let at = self.players.binary_search_by(|(name, _)| name.cmp(player)).ok()?;
        Figures::take(&mut Reader(&self.players[at].1), self.dated_us).ok()
    }
}

/// A player's figures over his matches of a window, if he has any.
fn sum(
    player: &Name,
    known: &HashMap<Name, Packed>,
    new: &Contribution,
    matches: &BTreeSet<Name>,
    window: Window,
    season: Season,
) -> Option<Figures> {
    let mut total = None::<Figures>;
    for id in matches {
        let (dated_us, figures) = if *id == new.match_id {
            (new.dated_us, new.figures(player).cloned())
        } else if let Some(packed) = known.get(id) {
            (packed.dated_us, packed.figures(player))
        } else {
            continue;
        };
        let is_in = Window::of(window.kind, dated_us, season) == window;
        if let Some(figures) = figures.filter(|_| is_in) {
            total.get_or_insert_default().merge(&figures);
        }
    }
    total
}

fn place(name: &Name, figures: &Figures, metric: usize) -> Option<Place> {
    let metric = METRICS.get(metric)?;
    let score = metric.ranked(figures)?;
    Some(Place { score, reached_us: metric.reached_us(figures), player: name.clone() })
}

/// Moves a player on every board whose metric has changed for him.
fn move_places(boards: &mut Vec<Board>, name: &Name, was: Option<&Figures>, now: Option<&Figures>) {
    if boards.is_empty() {
        boards.resize_with(METRICS.len(), Board::default);
    }
    for (metric, board) in boards.iter_mut().enumerate() {
        if let (Some(was), Some(now)) = (was, now)
            && METRICS[metric].is_same(was, now)
        {
            continue;
        }
        let old = was.and_then(|figures| place(name, figures, metric));
        let new = now.and_then(|figures| place(name, figures, metric));
        if old == new {
            continue;
        }
        if let Some(old) = old {
            board.remove(&old);
        }
        if let Some(new) = new {
            board.insert(new);
        }
    }
}
