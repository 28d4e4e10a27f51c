//! Questions to the database, in bursts: which filters are passed, which rows are seen.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use db::{Answer, Error, Fleet, Question, Setting};
use futures_util::future::try_join_all;

use super::filter::Filter;
use super::known::Who;
use crate::metric::Metrics;
use crate::store::visible::{self, Ask};

/// Questions that travel on one connection; more are spread over several.
const SPREAD: usize = 32;

/// Connections over which questions are spread.
const WAYS: usize = 3;

/// Filters that the database is asked about, each once.
#[derive(Default)]
pub(super) struct Asked {
    asks: Vec<Ask>,
    places: HashMap<(u32, String, &'static str, String, bool), usize>,
}

impl Asked {
    pub(super) fn ask(&mut self, kind: u32, value: &str, filter: &Filter) -> usize {
        let key = (kind, value.to_owned(), filter.op.name(), filter.value.clone(), filter.negate);
        let asks = &mut self.asks;
        *self.places.entry(key).or_insert_with(|| {
            asks.push(visible::passes(filter.op.name(), kind, value, &filter.value, filter.negate));
            asks.len() - 1
        })
    }

    /// The places of those that passed.
    pub(super) async fn answers(self, fleet: &Fleet, metrics: &Metrics) -> Result<HashSet<usize>, Error> {
        if self.asks.is_empty() {
            return Ok(HashSet::new());
        }
        let asking = self.asks.into_iter().map(|ask| Asking { who: None, asks: vec![ask] });
        let answers = survey(fleet, &asking.collect::<Vec<_>>()).await?;
        for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            tracing::warn!(%error, error_code = "UnableToSubscribeToPostgres", "a filter could not be evaluated; a change was withheld");
            metrics.skip("filter_failed", 1);
        }
        let passed = answers.iter().enumerate().filter(|(_, answer)| {
            let record = answer.as_ref().ok().and_then(|rows| rows.first()?.first());
            record.and_then(|record| record.get::<Option<bool>>(0).ok().flatten()) == Some(true)
        });
        Ok(passed.map(|(place, _)| place).collect())
    }
}

/// Something to ask, as somebody or as ourselves.
pub(super) struct Asking {
    pub(super) who: Option<Who>,
    pub(super) asks: Vec<Ask>,
}

/// Asks everything in one burst, which is spread over some connections if it is large.
///
/// # Errors
///
/// A database that cannot answer now, as a whole or to one of the questions: they are to be asked again.
pub(super) async fn survey(fleet: &Fleet, asking: &[Asking]) -> Result<Vec<Answer>, Error> {
    let settings: Vec<Vec<Setting<'_>>> = asking.iter().map(|asking| settings(asking.who.as_ref())).collect();
    let queries: Vec<Vec<_>> =
        asking.iter().map(|asking| asking.asks.iter().map(Ask::query).collect()).collect();
    let questions: Vec<Question<'_>> = asking
        .iter()
        .zip(&settings)
        .zip(&queries)
        .map(|((asking, settings), queries)| Question {
            role: asking.who.as_ref().map_or("", |(role, _)| role),
            settings,
            queries,
        })
        .collect();
    let share = questions.len().div_ceil(WAYS).max(SPREAD);
    let answers = try_join_all(questions.chunks(share).map(|share| fleet.survey(share))).await?;
    let answers: Vec<Answer> = answers.into_iter().flatten().collect();
    match answers.iter().find_map(|answer| answer.as_ref().err().filter(|error| is_passing(error))) {
        Some(error) => Err(error.clone()),
        None => Ok(answers),
    }
}

/// Whether an error says nothing about the question: a server that starts or stops, or that has too little of something.
fn is_passing(error: &Error) -> bool {
    match error.code() {
        Some(code) => {
            matches!(code.get(..2).unwrap_or_default(), "08" | "40" | "53" | "58") || code.starts_with("57P")
        }
        None => !matches!(error, Error::Client(_)),
    }
}

/// What policies look at.
fn settings(who: Option<&Who>) -> Vec<Setting<'_>> {
    let Some((role, claims)) = who else { return Vec::new() };
    let set = |name, value| (Cow::Borrowed(name), value);
    vec![set("role", Cow::Borrowed(&**role)), set("request.jwt.claims", Cow::Borrowed(&**claims))]
}
