//! `Server-Timing`: how long each step took.

use std::fmt;
use std::time::{Duration, Instant};

/// A stopwatch for the steps of a request, in order.
pub(crate) struct Timing {
    since: Instant,
    steps: Vec<(&'static str, Duration)>,
}

impl Timing {
    /// Starts now.
    pub fn start() -> Self {
        Self { since: Instant::now(), steps: Vec::with_capacity(5) }
    }

    /// The step that ends now is called `name`.
    pub fn step(&mut self, name: &'static str) {
        let now = Instant::now();
        self.steps.push((name, now.duration_since(self.since)));
        self.since = now;
    }
}

/// The value of the header: milliseconds with one decimal.
impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, duration)) in self.steps.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name};dur={:.1}", duration.as_secs_f64() * 1000.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_decimal_of_a_millisecond() {
        let timing = Timing {
            since: Instant::now(),
            steps: vec![("jwt", Duration::from_micros(420)), ("parse", Duration::from_millis(12))],
        };
        assert_eq!(timing.to_string(), "jwt;dur=0.4, parse;dur=12.0");
    }
}
