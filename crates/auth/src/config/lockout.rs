//! `[auth.lockout]`: how long wrong passwords have to wait for each other.

use kernel::Problem;
use kernel::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Waits that grow with wrong passwords for one account. Where it was entered from before, an account is
/// never shut by what strangers do elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Lockout {
    /// Wrong passwords for one address or number from one place, within a day, after which the next has to
    /// wait. 0: as many as like.
    pub attempts: u32,
    /// The same from everywhere, for places the account was never entered from. 0: as many as like.
    pub attempts_anywhere: u32,
    /// The first wait; each further wrong password doubles it.
    pub wait: Span,
    /// The longest wait; at most a day.
    pub max_wait: Span,
}

impl Default for Lockout {
    fn default() -> Self {
        Self { attempts: 10, attempts_anywhere: 100, wait: Span::secs(30), max_wait: Span::secs(900) }
    }
}

impl Lockout {
    /// Everything that keeps these settings from being used.
    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = |key, text: &str| problems.push(Problem { key, text: text.to_owned() });
        if self.wait.0.is_zero() || self.wait.0 > self.max_wait.0 {
            report("lockout.wait", "must be longer than zero and no longer than auth.lockout.max_wait");
        }
        if self.max_wait.0 > Span::secs(86_400).0 {
            report("lockout.max_wait", "must be at most a day");
        }
        if self.attempts_anywhere > 0 && self.attempts_anywhere < self.attempts {
            report("lockout.attempts_anywhere", "must be no less than auth.lockout.attempts");
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_bounded() {
        let check = |attempts, attempts_anywhere, wait, max_wait, expected: &[&str]| {
            let lockout = Lockout {
                attempts,
                attempts_anywhere,
                wait: Span::secs(wait),
                max_wait: Span::secs(max_wait),
            };
            let keys: Vec<_> = lockout.check().into_iter().map(|problem| problem.key).collect();
            assert_eq!(keys, expected, "{lockout:?}");
        };
        check(10, 100, 30, 900, &[]);
        check(0, 0, 30, 30, &[]);
        check(10, 9, 30, 900, &["lockout.attempts_anywhere"]);
        check(10, 100, 0, 900, &["lockout.wait"]);
        check(10, 100, 60, 30, &["lockout.wait"]);
        check(10, 100, 30, 90_000, &["lockout.max_wait"]);
    }
}
