//! What can be said of policies without asking the database about rows.

use std::collections::{HashMap, HashSet};

use db::Error;

use super::Change;
use super::cases::{Case, Fate};
use super::condition::{Truth, Value, Values};
use super::dispatch::Dispatcher;
use super::known::Who;
use super::payload::Told;
use super::survey::{Asking, survey};
use crate::store::visible;
use crate::wal::decode::{Cell, Row};

impl Dispatcher {
    /// Whether policies decide about a case.
    fn is_bound(&self, changes: &[Change], case: &Case) -> bool {
        let is_delete =
            changes.get(case.change).is_some_and(|change| matches!(change.row, Row::Delete { .. }));
        !is_delete
            && !matches!(case.fate, Fate::Withheld(_))
            && self.view(case, changes).is_some_and(|view| view.is_bound)
    }

    /// Learns the values of the claims that policies ask for.
    pub(super) async fn look_up_claims(&mut self, changes: &[Change], cases: &[Case]) -> Result<(), Error> {
        let mut missing: HashMap<&Who, HashSet<&String>> = HashMap::new();
        for case in cases.iter().filter(|case| self.is_bound(changes, case)) {
            let Some(known) = changes.get(case.change).and_then(|change| self.memory.table(&change.relation))
            else {
                continue;
            };
            if known.conditions.claims.is_empty() {
                continue;
            }
            let values = self.memory.claims.get(&*case.who);
            for claim in &known.conditions.claims {
                if !values.is_some_and(|values| values.contains_key(claim)) {
                    missing.entry(&case.who).or_default().insert(claim);
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<(Who, Vec<String>)> = missing
            .into_iter()
            .map(|(who, claims)| (who.clone(), claims.into_iter().cloned().collect()))
            .collect();
        let questions = missing.iter().flat_map(|(who, claims)| {
            claims
                .iter()
                .map(move |claim| Asking { who: Some(who.clone()), asks: vec![visible::claim(claim)] })
        });
        let answers = survey(&self.fleet, &questions.collect::<Vec<_>>()).await?;
        let all = missing.iter().flat_map(|(who, claims)| claims.iter().map(move |claim| (who, claim)));
        for ((who, claim), answer) in all.zip(answers) {
            let value = answer.ok().and_then(|rows| {
                let record = rows.first()?.first()?;
                record.get::<Option<String>>(0).ok()
            });
            self.memory.claims.entry(who.clone()).or_default().insert(claim.clone(), value);
        }
        Ok(())
    }

    /// Drops the cases that are certainly not visible; the places of those of which it is not certain.
    pub(super) fn judge(&self, changes: &[Change], cases: &mut Vec<Case>) -> HashSet<usize> {
        let mut unsure = HashSet::new();
        let mut kept = 0;
        cases.retain(|case| {
            let truth = match changes.get(case.change) {
                Some(change) if self.is_bound(changes, case) => self.truth(change, case),
                _ => Truth::True,
            };
            match truth {
                Truth::False | Truth::Null => return false,
                Truth::Unsure => {
                    unsure.insert(kept);
                }
                Truth::True => {}
            }
            kept += 1;
            true
        });
        unsure
    }

    fn truth(&self, change: &Change, case: &Case) -> Truth {
        let (Some(told), Some(known)) = (self.told(change), self.memory.table(&change.relation)) else {
            return Truth::False;
        };
        let Some(view) = known.view(case.identity.role.as_str()) else { return Truth::False };
        let of_caller = self.memory.claims.get(&*case.who);
        let claims = known.conditions.claims.iter();
        let claims: Option<Vec<_>> =
            claims.map(|claim| of_caller.and_then(|claims| claims.get(claim)?.as_ref())).collect();
        // An expression that fails would fail the query of whoever looks.
        let Some(claims) = claims else { return Truth::Unsure };
        let image = Image { told: &told, claims };
        known.conditions.judge(&known.table, &view.policies, &image)
    }
}

/// The values of a row that was committed, and of somebody's claims.
struct Image<'a> {
    told: &'a Told<'a>,
    claims: Vec<&'a Option<String>>,
}

impl Values for Image<'_> {
    fn column(&self, index: usize) -> Value<'_> {
        let column = self.told.table.columns.get(index);
        match column.and_then(|column| self.told.new_cell(&column.name)) {
            Some(Cell::Null) => Value::Null,
            Some(cell) => cell.text().map_or(Value::Unknown, Value::Text),
            None => Value::Unknown,
        }
    }

    fn claim(&self, index: usize) -> Value<'_> {
        match self.claims.get(index) {
            Some(Some(text)) => Value::Text(text),
            Some(None) => Value::Null,
            None => Value::Unknown,
        }
    }
}
