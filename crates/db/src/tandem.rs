//! Two statements in two roles, in one transaction and one round trip.
//!
//! Some requests ask two things that do not depend on one another: what the service must know, whoever
//! calls, and what the caller may. A [`Fleet::tandem`] sends both at once. If the second fails, what the
//! first read is there all the same.
//!
//! The settings of the first leg are not taken back before the second one: it is for statements of our own,
//! which set nothing, and the second leg sets whatever the first one did.

use crate::fleet::Fleet;
use crate::flight::{Access, CHECK, COMMIT, End, Isolation, RESET, ROLLBACK, begin, settings};
use crate::wire::{Record, Step, Values};
use crate::{Error, Leg};

/// What came of the two: the rows of the first one, and what the second one said.
pub type Abreast = (Vec<Record>, Result<Vec<Record>, Error>);

impl Fleet {
    /// Runs two legs that may write. With [`End::Rollback`] their work is checked and forgotten; any other
    /// end keeps it, if both succeed.
    ///
    /// # Errors
    ///
    /// What made the first leg fail, or the connection.
    pub async fn tandem(&self, first: &Leg<'_>, second: &Leg<'_>, end: End) -> Result<Abreast, Error> {
        let mut steps = vec![
            Step::plain(begin(Access::ReadWrite, Isolation::ReadCommitted)),
            settings(first.settings, false),
            run(first),
            settings(second.settings, false),
            run(second),
        ];
        steps.extend_from_slice(if end == End::Rollback { &[CHECK, ROLLBACK] } else { &[COMMIT] });
        let all = steps.len();
        steps.push(RESET);
        let mut lease = self.lease().await?;
        let mut trip = lease.travel(&steps).await?;
        if trip.answers.len() < all && lease.may_retry(&trip) {
            lease.settle().await?;
            trip = lease.travel(&steps).await?;
        }
        if trip.answers.len() < all {
            lease.settle().await?;
        } else if trip.error.is_some() {
            // The transaction has ended as it should; the settings of the session have not.
            lease.spoil();
        }
        let is_whole = trip.answers.len() >= all;
        let mut take = |index: usize| trip.answers.get_mut(index).map(std::mem::take);
        let (read, rows) = (take(FIRST), take(SECOND).unwrap_or_default());
        let error = trip.error.unwrap_or(Error::Closed);
        match read {
            None => Err(error),
            Some(read) if is_whole => Ok((read, Ok(rows))),
            Some(read) => Ok((read, Err(error))),
        }
    }
}

fn run<'a>(leg: &Leg<'a>) -> Step<'a> {
    Step::new(leg.role, leg.main.sql, Values::Texts(leg.main.params))
}

/// Where the answers of the legs are among those of all steps.
const FIRST: usize = 2;
const SECOND: usize = 4;
