//! Modes.

use super::limits::{DURATION_MS_MAX, LOADOUT_MAX, TEAMS_MAX};
use super::report::Report;
use super::report_ids;
use crate::combat::content::{Content, Mode, ModeKind, OnTime};

impl Content {
    pub(super) fn report_modes(&self, report: &mut Report) {
        report_ids(report, "modes", self.modes.iter().map(|mode| (&*mode.id, &*mode.name)));
        for (index, mode) in self.modes.iter().enumerate() {
            self.report_mode(report, &format!("modes[{index}]"), mode);
        }
    }

    fn report_mode(&self, report: &mut Report, at: &str, mode: &Mode) {
        let teams = match mode.kind {
            ModeKind::Deathmatch => (0, 0),
            ModeKind::TeamDeathmatch | ModeKind::Rounds(_) => (2, TEAMS_MAX),
        };
        report.within(format!("{at}.teams"), mode.teams, teams.0, teams.1);
        report.within(format!("{at}.score_max"), mode.score_max, 0, 1_000_000);
        report.within(format!("{at}.time_max_ms"), mode.time_max_ms, 0, DURATION_MS_MAX);
        report.within(format!("{at}.respawn_ms"), mode.respawn_ms, 0, DURATION_MS_MAX);
        if let ModeKind::Rounds(rounds) = mode.kind {
            report.within(format!("{at}.round_ms"), rounds.round_ms, 1_000, DURATION_MS_MAX);
            report.within(format!("{at}.pause_ms"), rounds.pause_ms, 0, DURATION_MS_MAX);
            if let OnTime::Team(team) = rounds.on_time {
                report.within(format!("{at}.on_time.team"), team.0, 1, mode.teams);
            }
        }
        report.count(&format!("{at}.weapons"), mode.weapons.len(), 1, LOADOUT_MAX);
        for (index, weapon) in mode.weapons.iter().enumerate() {
            let at = format!("{at}.weapons[{index}]");
            report.reference(at, "weapons", weapon.0, self.weapons.len());
        }
        if let Some(armour) = mode.armour {
            report.reference(format!("{at}.armour"), "armours", armour.0, self.armours.len());
        }
        report.count(&format!("{at}.actions"), mode.actions.len(), 0, LOADOUT_MAX);
        for (index, action) in mode.actions.iter().enumerate() {
            let at = format!("{at}.actions[{index}]");
            report.reference(at, "actions", action.0, self.actions.len());
        }
    }
}
