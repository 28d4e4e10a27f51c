//! Which transactions can be seen.
//!
//! A change arrives as soon as its commit is in the log. The transaction becomes visible to others a little later: when
//! its process has said so, which takes its time on a busy machine, or when a standby has confirmed it. Until then a
//! policy that looks for the row finds nothing or the row as it was, and who looks into the catalogue finds the table
//! as it was.

use std::time::Duration;

use db::{Error, Pool};
use tokio::time::sleep;

use crate::store::snapshot;

/// How often it is looked at once more without a pause: mostly it is a matter of microseconds.
const AT_ONCE: u32 = 16;
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// What could be seen at some time; what could be seen once can be seen ever after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    /// The first number that was not given to a transaction.
    next: u32,
    /// Transactions that had not ended.
    running: Vec<u32>,
}

impl Sight {
    /// Reads a snapshot as Postgres prints it: `10:20:12,15`. The numbers of transactions in the stream are the
    /// lower half of these.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        Self::read(text).ok_or_else(|| Error::Client("a snapshot cannot be read".to_owned()))
    }

    fn read(text: &str) -> Option<Self> {
        let low = |digits: &str| digits.parse().ok().map(|number: u64| (number & u64::from(u32::MAX)) as u32);
        let (_, rest) = text.split_once(':')?;
        let (next, running) = rest.split_once(':')?;
        let running = running.split(',').filter(|digits| !digits.is_empty());
        Some(Self { next: low(next)?, running: running.map(low).collect::<Option<_>>()? })
    }

    /// Numbers are taken again after four billion: what is less than half of that ahead comes later.
    pub(super) fn has(&self, transaction: u32) -> bool {
        let is_earlier = transaction.wrapping_sub(self.next).cast_signed() < 0;
        is_earlier && !self.running.contains(&transaction)
    }

    pub(super) fn has_all(&self, transactions: &[u32]) -> bool {
        transactions.iter().all(|transaction| self.has(*transaction))
    }
}

/// The last that was seen of the database.
#[derive(Default)]
pub(super) struct Lookout(Option<Sight>);

impl Lookout {
    /// What somebody else saw.
    pub(super) fn note(&mut self, sight: Sight) {
        self.0 = Some(sight);
    }

    /// Whether everybody can see these transactions, as far as is known.
    pub(super) fn has_all(&self, transactions: &[u32]) -> bool {
        transactions.is_empty() || self.0.as_ref().is_some_and(|sight| sight.has_all(transactions))
    }

    /// Returns when everybody can see these transactions.
    pub(super) async fn wait(&mut self, pool: &Pool, transactions: &[u32]) -> Result<(), Error> {
        let mut pause = FIRST_PAUSE;
        let mut looks = 0;
        while !self.has_all(transactions) {
            self.note(Sight::parse(&snapshot::current(&mut pool.session().await?).await?)?);
            looks += 1;
            if looks > AT_ONCE && !self.has_all(transactions) {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_has_ended_is_seen() {
        let sight = Sight::parse("10:20:12,15").unwrap();
        for (transaction, is_seen) in
            [(9, true), (11, true), (12, false), (15, false), (19, true), (20, false)]
        {
            assert_eq!(sight.has(transaction), is_seen, "{transaction}");
        }
        assert_eq!(Sight::parse("10:10:").unwrap(), Sight { next: 10, running: Vec::new() });
        assert!(Sight::parse("10").is_err());
        // Behind the end of the numbers.
        let sight = Sight::parse("4294967290:4294967301:4294967292").unwrap();
        for (transaction, is_seen) in
            [(u32::MAX, true), (4_294_967_292, false), (3, true), (5, false), (6, false)]
        {
            assert_eq!(sight.has(transaction), is_seen, "{transaction}");
        }
    }

    #[test]
    fn who_has_not_looked_knows_nothing() {
        let mut lookout = Lookout::default();
        assert!(lookout.has_all(&[]));
        // Also of numbers that would be earlier than the first of all.
        assert!(!lookout.has_all(&[7]) && !lookout.has_all(&[3_000_000_000]));
        lookout.note(Sight::parse("10:20:12").unwrap());
        assert!(lookout.has_all(&[9, 13]) && !lookout.has_all(&[9, 12]));
    }
}
