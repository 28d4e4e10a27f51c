//! Asking the database who sees which changes, where the policies cannot be judged here.

use std::collections::{HashMap, HashSet};

use db::Error;

use super::Change;
use super::dispatch::{Case, Dispatcher};
use super::known::Who;
use super::literal::{to_array, to_row};
use super::survey::{Asking, survey};
use crate::store::visible::{self, Ask, KeyColumn};
use crate::wal::decode::Cell;

/// A change that somebody is asked about, and the cases that wait for the answer.
struct Part {
    change: usize,
    cases: Vec<usize>,
}

impl Dispatcher {
    /// Asks the database about the cases at these places; what it said of each.
    pub(super) async fn ask(
        &self,
        changes: &[Change],
        cases: &[Case],
        unsure: &HashSet<usize>,
    ) -> Result<HashMap<usize, bool>, Error> {
        // Who asks about which changes of which table, and for which cases.
        let mut groups: HashMap<(&Who, u32), Vec<Part>> = HashMap::new();
        for (place, case) in cases.iter().enumerate().filter(|(place, _)| unsure.contains(place)) {
            let Some(change) = changes.get(case.change) else { continue };
            let group = groups.entry((&*case.who, change.relation.id)).or_default();
            match group.last_mut() {
                Some(part) if part.change == case.change => part.cases.push(place),
                _ => group.push(Part { change: case.change, cases: vec![place] }),
            }
        }
        let groups: Vec<_> = groups.into_iter().collect();
        let mut asking = Vec::with_capacity(groups.len());
        let mut answered = Vec::with_capacity(groups.len());
        for ((who, _), of_group) in &groups {
            let (by_image, by_key): (Vec<_>, Vec<_>) =
                of_group.iter().partition(|part| self.is_whole(changes, part.change));
            for (part, is_image) in [(by_image, true), (by_key, false)] {
                let rows: Vec<&Change> = part.iter().filter_map(|part| changes.get(part.change)).collect();
                let ask = if is_image { self.image(&rows, &who.0) } else { self.key(&rows) };
                if let Some(ask) = ask {
                    asking.push(Asking { who: Some((*who).clone()), asks: vec![ask] });
                    answered.push(part);
                }
            }
        }
        let answers = survey(&self.fleet, &asking).await?;
        let mut seen: HashMap<usize, bool> = unsure.iter().map(|place| (*place, false)).collect();
        for (part, answer) in answered.iter().zip(answers) {
            let rows = match answer {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::warn!(%error, error_code = "RlsPolicyError", "the policies of a table could not be evaluated; a change was withheld");
                    self.metrics.skip("policy_failed", part.iter().map(|part| part.cases.len()).sum());
                    continue;
                }
            };
            for record in rows.first().into_iter().flatten() {
                let place =
                    usize::try_from(record.get::<i64>(0)?).ok().and_then(|place| place.checked_sub(1));
                for case in place.and_then(|place| part.get(place)).into_iter().flat_map(|part| &part.cases) {
                    seen.insert(*case, true);
                }
            }
        }
        Ok(seen)
    }

    /// Whether policies are to be asked about the row as it was committed, and all of it is there.
    fn is_whole(&self, changes: &[Change], change: usize) -> bool {
        let told = changes.get(change).and_then(|change| self.told(change));
        self.by_image
            && told.is_some_and(|told| {
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
