//! Asking the database who sees which changes, where the policies cannot be judged here.
//!
//! By its key: the caller looks for the row in the table as it is. An answer counts if the moment of its snapshot could
//! see the change; before that, the caller may have seen the row as it was, which they are not to be told anything by.
//! A row that is gone by then cannot be found by anybody: policies are asked about its image, the row as it was
//! committed. [`Dispatcher::by_image`] asks about all of them that way.

use std::collections::{HashMap, HashSet};

use db::Error;

use super::Change;
use super::cases::Case;
use super::dispatch::{Dispatcher, transactions};
use super::known::Who;
use super::literal::{to_array, to_row};
use super::sight::Sight;
use super::survey::{Asking, survey};
use crate::store::visible::{self, Ask, KeyColumn};
use crate::wal::decode::Cell;

/// Who sees all rows of most tables: what they do not find is not there.
const ALL_SEEING: (&str, &str) = ("service_role", r#"{"role":"service_role"}"#);

/// A change that somebody is asked about, and the cases that wait for the answer.
struct Part {
    change: usize,
    cases: Vec<usize>,
}

/// What the database said of cases; of the others, that they are not to be told.
#[derive(Default)]
struct Said {
    seen: HashSet<usize>,
    /// Looked for by their keys, and not found.
    missing: HashSet<usize>,
    /// Asked before their changes could be seen.
    early: HashSet<usize>,
}

impl Dispatcher {
    /// Which of the cases at these places the database lets through.
    pub(super) async fn inquire(
        &mut self,
        changes: &[Change],
        cases: &[Case],
        unsure: &HashSet<usize>,
    ) -> Result<HashSet<usize>, Error> {
        let of = |places: &HashSet<usize>| {
            let chosen = cases.iter().enumerate().filter(|(place, _)| places.contains(place));
            transactions(changes, chosen.map(|(_, case)| case))
        };
        let images: HashSet<usize> =
            if self.by_image { (0..changes.len()).collect() } else { HashSet::new() };
        let (mut seen, mut missing) = (HashSet::new(), HashSet::new());
        let mut open = unsure.clone();
        while !open.is_empty() {
            let said = self.ask(changes, cases, &open, &images).await?;
            seen.extend(said.seen);
            missing.extend(said.missing);
            open = said.early;
            self.lookout.wait(&self.pool, &of(&open)).await?;
        }
        let gone = self.gone(changes, cases, &missing).await?;
        missing.retain(|place| {
            cases
                .get(*place)
                .is_some_and(|case| gone.contains(&case.change) && self.is_whole(changes, case.change))
        });
        seen.extend(self.ask(changes, cases, &missing, &gone).await?.seen);
        Ok(seen)
    }

    /// Asks the database about the cases at these places; about these changes by their images, if they are whole.
    async fn ask(
        &mut self,
        changes: &[Change],
        cases: &[Case],
        places: &HashSet<usize>,
        images: &HashSet<usize>,
    ) -> Result<Said, Error> {
        if places.is_empty() {
            return Ok(Said::default());
        }
        // Who asks about which changes of which table, and for which cases.
        let mut groups: HashMap<(&Who, u32), Vec<Part>> = HashMap::new();
        for (place, case) in cases.iter().enumerate().filter(|(place, _)| places.contains(place)) {
            let Some(change) = changes.get(case.change) else { continue };
            let group = groups.entry((&*case.who, change.relation.id)).or_default();
            match group.last_mut() {
                Some(part) if part.change == case.change => part.cases.push(place),
                _ => group.push(Part { change: case.change, cases: vec![place] }),
            }
        }
        let (mut asking, mut asked) = (Vec::new(), Vec::new());
        for ((who, _), of_group) in groups {
            let (by_image, by_key): (Vec<_>, Vec<_>) = of_group
                .into_iter()
                .partition(|part| images.contains(&part.change) && self.is_whole(changes, part.change));
            for (parts, is_image) in [(by_image, true), (by_key, false)] {
                let rows: Vec<&Change> = parts.iter().filter_map(|part| changes.get(part.change)).collect();
                let ask = if is_image { self.image(&rows, &who.0) } else { self.key(&rows) };
                if let Some(ask) = ask {
                    asking.push(Asking { who: Some(who.clone()), asks: vec![ask] });
                    asked.push((parts, is_image));
                }
            }
        }
        let answers = survey(&self.fleet, &asking).await?;
        let mut said = Said::default();
        let mut last = None;
        for ((parts, is_image), answer) in asked.into_iter().zip(answers) {
            let rows = match answer {
                Ok(rows) => rows,
                Err(error) => {
                    self.failed(changes, parts, &error, &mut said);
                    continue;
                }
            };
            let Some(record) = rows.first().and_then(|rows| rows.first()) else { continue };
            let found = places_of(record.get(0)?);
            let sight = Sight::parse(record.get(1)?)?;
            for (place, part) in parts.into_iter().enumerate() {
                let is_early =
                    changes.get(part.change).is_none_or(|change| !sight.has(change.transaction.id));
                let to = match (is_early, found.contains(&place)) {
                    (true, _) => &mut said.early,
                    (false, true) => &mut said.seen,
                    // Who does not see the image does not see the row.
                    (false, false) if is_image => continue,
                    (false, false) => &mut said.missing,
                };
                to.extend(part.cases);
            }
            last = Some(sight);
        }
        if let Some(sight) = last {
            self.lookout.note(sight);
        }
        Ok(said)
    }

    /// An answer that is an error: of changes that could be seen, or not yet.
    fn failed(&self, changes: &[Change], parts: Vec<Part>, error: &Error, said: &mut Said) {
        let could_see = |part: &Part| {
            changes.get(part.change).is_some_and(|change| self.lookout.has_all(&[change.transaction.id]))
        };
        let (failed, early): (Vec<_>, Vec<_>) = parts.into_iter().partition(could_see);
        said.early.extend(early.into_iter().flat_map(|part| part.cases));
        if !failed.is_empty() {
            tracing::warn!(%error, error_code = "RlsPolicyError", "the policies of a table could not be evaluated; a change was withheld");
            self.metrics.skip("policy_failed", failed.iter().map(|part| part.cases.len()).sum());
        }
    }

    /// The changes of these cases whose rows are not there any more.
    async fn gone(
        &self,
        changes: &[Change],
        cases: &[Case],
        missing: &HashSet<usize>,
    ) -> Result<HashSet<usize>, Error> {
        let of_missing: HashSet<usize> =
            missing.iter().filter_map(|place| Some(cases.get(*place)?.change)).collect();
        let mut by_table: HashMap<u32, Vec<usize>> = HashMap::new();
        for index in of_missing {
            if let Some(change) = changes.get(index) {
                by_table.entry(change.relation.id).or_default().push(index);
            }
        }
        let (mut asking, mut asked) = (Vec::new(), Vec::new());
        for of_table in by_table.into_values() {
            let rows: Vec<_> = of_table.iter().filter_map(|change| changes.get(*change)).collect();
            if let Some(ask) = self.key(&rows) {
                let who = (ALL_SEEING.0.to_owned(), ALL_SEEING.1.into());
                asking.push(Asking { who: Some(who), asks: vec![ask] });
                asked.push(of_table);
            }
        }
        if asking.is_empty() {
            return Ok(HashSet::new());
        }
        let mut gone = HashSet::new();
        for (of_table, answer) in asked.into_iter().zip(survey(&self.fleet, &asking).await?) {
            // A table that they may not read either: then its rows are taken to be there.
            let Ok(rows) = answer else { continue };
            let Some(record) = rows.first().and_then(|rows| rows.first()) else { continue };
            let found = places_of(record.get(0)?);
            let not_found = of_table.into_iter().enumerate().filter(|(place, _)| !found.contains(place));
            gone.extend(not_found.map(|(_, change)| change));
        }
        Ok(gone)
    }

    /// Whether all of a row as it was committed is there.
    fn is_whole(&self, changes: &[Change], change: usize) -> bool {
        let told = changes.get(change).and_then(|change| self.told(change));
        told.is_some_and(|told| {
            let mut columns = told.table.columns.iter();
            columns.all(|column| !column.is_generated && told.new_cell(&column.name).is_some())
        })
    }

    /// Which of these rows of one table `role` would see if they were still as they were committed.
    fn image(&self, rows: &[&Change], role: &str) -> Option<Ask> {
        let known = self.memory.table(&rows.first()?.relation)?;
        let view = known.view(role)?;
        let conditions = |is_permissive: bool, between: &str| {
            let policies = view.policies.iter().filter_map(|index| known.table.policies.get(*index));
            let policies = policies.filter(|policy| policy.is_permissive == is_permissive);
            let texts: Vec<_> =
                policies.filter_map(|policy| Some(format!("({})", policy.using.as_ref()?))).collect();
            (!texts.is_empty()).then(|| format!("({})", texts.join(between)))
        };
        let condition = match (conditions(true, " or "), conditions(false, " and ")) {
            (Some(permissive), Some(restrictive)) => format!("{permissive} and {restrictive}"),
            (Some(permissive), None) => permissive,
            (None, _) => return None,
        };
        let images = rows.iter().filter_map(|change| {
            let told = self.told(change)?;
            Some(to_row(
                known.table.columns.iter().map(|column| told.new_cell(&column.name).and_then(Cell::text)),
            ))
        });
        let images: Vec<String> = images.collect();
        let images = to_array(images.iter().map(|image| Some(image.as_str())));
        Some(visible::by_image(&known.table.sql, &rows.first()?.relation.name, &condition, images))
    }

    /// Which of these rows of one table can be seen in it now.
    fn key(&self, rows: &[&Change]) -> Option<Ask> {
        let known = self.memory.table(&rows.first()?.relation)?;
        let told: Vec<_> = rows.iter().filter_map(|change| self.told(change)).collect();
        let columns = known.table.columns.iter().filter(|column| column.is_pkey);
        let columns = columns.filter_map(|column| {
            let values = told.iter().map(|told| told.new_cell(&column.name).and_then(Cell::text));
            let kind = &self.memory.types.get(column.kind)?.sql;
            Some(KeyColumn { name: &column.name, kind, values: to_array(values) })
        });
        Some(visible::by_key(&known.table.sql, columns.collect()))
    }
}

/// Places that are counted from 1, with commas between them, as places counted from 0.
fn places_of(text: &str) -> HashSet<usize> {
    let places = text.split(',').filter_map(|digits| digits.parse::<usize>().ok()?.checked_sub(1));
    places.collect()
}
