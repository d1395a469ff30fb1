//! Read tokens: what a caller who holds one expects to read.

use gamemesh_domain::{Error, Result};
use gamemesh_feed::{Claim, Cut, Kind};
use gamemesh_repository::StreamName;

use crate::Documents;

/// Read tokens in one request.
const READ_TOKENS_MAX: usize = 64;

impl Documents {
    /// What the read tokens of a request name together; nothing if there are none.
    pub fn read_cut(&self, tokens: &str) -> Result<Cut> {
        let mut cut = Cut::default();
        if tokens.is_empty() {
            return Ok(cut);
        }
        let now_us = self.clock.now_micros();
        for (at, token) in tokens.split(',').enumerate() {
            if at == READ_TOKENS_MAX {
                let what = format!("accepts at most {READ_TOKENS_MAX} tokens");
                return Err(Error::invalid("token", what));
            }
            cut.raise_all(&self.tokens.check("token", token, Kind::Read, 0, now_us)?.cut);
        }
        Ok(cut)
    }

    /// A token to read at least this.
    pub fn read_token(&self, cut: Cut) -> String {
        let claim = Claim { cut, ..Claim::default() };
        self.tokens.issue(Kind::Read, &claim, self.clock.now_micros())
    }

    /// A token to read a stream at least as it is shown now. It names the end of the lane, since what is
    /// shown may have been committed after the last event that the feed has released.
    pub fn read_token_of(&self, stream: &StreamName) -> String {
        let lane = stream.lane(self.log.lanes());
        self.read_token(Cut::at(lane, self.feed.tail(lane)))
    }
}
