//! Waits that grow with wrong passwords for one account.
//!
//! They are counted twice, by hashes of the address or number that is signed in with, whether it has an account
//! or not: from the place they come from, and from everywhere. After so many from one place that place has to
//! wait, after many more from everywhere all places have to that the account was never entered from. A wait
//! doubles with each wrong password after it, up to a bound, and ends by itself; while it lasts, no password is
//! looked at and none counts. So nobody guesses faster by using more addresses, and no stranger shuts out an
//! owner who is where they were before; codes and links by mail are not touched at all.
//!
//! What counts is the order in which passwords were compared: one that was compared after the wait had begun is
//! refused even if it is right, so that asking at once gains nothing.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::access_token::delta;
use crate::config::Lockout;
use crate::error::{Error, OrInternal};
use crate::rate::network;
use crate::service::Context;
use crate::store::lockouts::{self, LockoutRow};
use crate::store::sessions;

/// Wrong passwords are forgotten this long after the last one.
const FORGET: TimeDelta = TimeDelta::hours(24);

/// A place that was proved within this time need not be noted again.
const NOTE_AGAIN: TimeDelta = TimeDelta::hours(24);

const FAILED: &str = "Database error querying schema";

/// One way into an account, from one place and from everywhere.
pub(crate) struct Door {
    here: String,
    anywhere: String,
    user_id: Option<Uuid>,
}

impl Door {
    /// The door of whoever signs in with `name`: an address in small letters or a number in digits.
    pub(crate) fn of(ctx: &Context, name: &str, user_id: Option<Uuid>) -> Self {
        let place = ctx.ip.map(|ip| network(ip).0.to_string()).unwrap_or_default();
        let key = |place: &str| hex::encode(Sha256::digest(format!("{}\0{name}\0{place}", ctx.aud)));
        Self { here: key(&place), anywhere: key("*"), user_id }
    }

    fn keys(&self) -> [&str; 2] {
        [&self.here, &self.anywhere]
    }

    /// Refuses while a wait lasts.
    pub(crate) async fn check(&self, ctx: &Context, connection: &mut db::Session) -> Result<(), Error> {
        if !ctx.config().lockout.is_on() {
            return Ok(());
        }
        let rows = lockouts::find(connection, &self.keys()).await.or_internal(FAILED)?;
        self.check_rows(ctx, connection, &rows).await
    }

    async fn check_rows(
        &self,
        ctx: &Context,
        connection: &mut db::Session,
        rows: &[LockoutRow],
    ) -> Result<(), Error> {
        let find = |key: &str| rows.iter().find(|row| row.key == key);
        let (here, anywhere) = (find(&self.here), find(&self.anywhere));
        if let Some(seconds) = here.and_then(|row| row.wait(ctx.now)) {
            return Err(Error::TooManyRequests(seconds));
        }
        let Some(seconds) = anywhere.and_then(|row| row.wait(ctx.now)) else { return Ok(()) };
        // Asked for strangers too, so that it takes as long.
        let user_id = self.user_id.unwrap_or_else(Uuid::new_v4);
        let is_known = here.is_some_and(|row| row.proved_at.is_some())
            || sessions::is_known(connection, user_id, ctx.ip.map(network)).await.or_internal(FAILED)?;
        if is_known { Ok(()) } else { Err(Error::TooManyRequests(seconds)) }
    }

    /// Counts a wrong password; returns what is to be said of it.
    pub(crate) async fn wrong(&self, ctx: &Context) -> Error {
        match self.count(ctx).await {
            Ok(()) => Error::InvalidCredentials,
            Err(error) => error,
        }
    }

    async fn count(&self, ctx: &Context) -> Result<(), Error> {
        let rules = &ctx.config().lockout;
        if !rules.is_on() {
            return Ok(());
        }
        let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
        let rows = lockouts::lock(&mut tx, &self.keys(), ctx.now).await.or_internal(FAILED)?;
        self.check_rows(ctx, &mut tx, &rows).await?;
        for row in &rows {
            let is_here = row.key == self.here;
            let free = if is_here { rules.attempts } else { rules.attempts_anywhere };
            let (failures, until) = row.after_wrong(free, rules, ctx.now);
            lockouts::update(&mut tx, &row.key, failures, until, ctx.now).await.or_internal(FAILED)?;
            if until.is_some() {
                let place = if is_here { "one place" } else { "everywhere" };
                tracing::info!(failures, ?until, user_id = ?self.user_id, place, "passwords are being guessed");
            }
        }
        tx.commit().await.or_internal(FAILED)
    }

    /// The password was right: refuses while a wait lasts, and else forgets the wrong ones and knows the place
    /// from now on.
    pub(crate) async fn right(&self, ctx: &Context, tx: &mut db::Session) -> Result<(), Error> {
        if !ctx.config().lockout.is_on() {
            return Ok(());
        }
        let rows = lockouts::find(tx, &self.keys()).await.or_internal(FAILED)?;
        self.check_rows(ctx, tx, &rows).await?;
        let noted = |row: &LockoutRow| row.proved_at.is_some_and(|at| at > ctx.now - NOTE_AGAIN);
        let is_noted = rows.iter().any(|row| row.key == self.here && noted(row));
        if is_noted && rows.iter().all(|row| row.failures == 0) {
            return Ok(());
        }
        lockouts::lock(tx, &self.keys(), ctx.now).await.or_internal(FAILED)?;
        lockouts::clear(tx, &self.keys(), &self.here, ctx.now).await.or_internal(FAILED)
    }
}

impl Lockout {
    fn is_on(&self) -> bool {
        self.attempts > 0 || self.attempts_anywhere > 0
    }

    /// The wait after so many wrong passwords more than are free.
    fn wait(&self, more: u32) -> TimeDelta {
        let factor = 1_u32.checked_shl(more.min(31)).unwrap_or(u32::MAX);
        delta(self.wait)
            .checked_mul(factor.try_into().unwrap_or(i32::MAX))
            .map_or_else(|| delta(self.max_wait), |wait| wait.min(delta(self.max_wait)))
    }
}

impl LockoutRow {
    /// Seconds until a password is looked at again, if there are any.
    fn wait(&self, now: DateTime<Utc>) -> Option<u64> {
        let left = self.until.filter(|until| *until > now)? - now;
        Some(left.num_milliseconds().max(1).cast_unsigned().div_ceil(1000))
    }

    /// How many wrong passwords there are with this one, and until when the next has to wait.
    fn after_wrong(&self, free: u32, rules: &Lockout, now: DateTime<Utc>) -> (i32, Option<DateTime<Utc>>) {
        let before = if self.at < now - FORGET { 0 } else { self.failures };
        let failures = before.saturating_add(1);
        let count = u32::try_from(failures).unwrap_or_default();
        let until = (free > 0 && count >= free).then(|| now + rules.wait(count - free));
        (failures, until)
    }
}

#[cfg(test)]
mod tests {
    use kernel::units::Span;

    use super::*;

    const RULES: Lockout =
        Lockout { attempts: 3, attempts_anywhere: 0, wait: Span::secs(30), max_wait: Span::secs(900) };

    fn row(failures: i32, at: DateTime<Utc>) -> LockoutRow {
        LockoutRow { key: String::new(), failures, at, until: None, proved_at: None }
    }

    #[test]
    fn waits_double_up_to_a_bound() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default();
        let wait = |failures| {
            let (_, until) = row(failures, now).after_wrong(3, &RULES, now);
            LockoutRow { until, ..row(0, now) }.wait(now)
        };
        let waits: Vec<_> = (0..9).map(wait).collect();
        let seconds = [None, None, Some(30), Some(60), Some(120), Some(240), Some(480), Some(900), Some(900)];
        assert_eq!(waits, seconds);
        assert_eq!(wait(i32::MAX), Some(900));
        assert_eq!(row(i32::MAX, now).after_wrong(0, &RULES, now).1, None);
    }

    #[test]
    fn wrong_passwords_are_forgotten_after_a_day() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default();
        assert_eq!(row(50, now - TimeDelta::hours(25)).after_wrong(3, &RULES, now), (1, None));
        assert_eq!(row(50, now - TimeDelta::hours(23)).after_wrong(3, &RULES, now).0, 51);
    }

    #[test]
    fn a_wait_that_is_over_is_none() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap_or_default();
        let until = |until| LockoutRow { until: Some(until), ..row(9, now) };
        assert_eq!(until(now).wait(now), None);
        assert_eq!(until(now + TimeDelta::milliseconds(1)).wait(now), Some(1));
        assert_eq!(until(now + TimeDelta::milliseconds(1001)).wait(now), Some(2));
    }
}
