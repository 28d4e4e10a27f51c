//! What was done, and what is equal.

use std::fmt::Write;

use serde::Serialize;

use super::{objects, secrets, tables};

/// The outcome of a run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) tables: Vec<tables::Compared>,
    /// None if no secrets were to come.
    pub(crate) secrets: Option<secrets::Compared>,
    /// None if no files were to come.
    pub(crate) objects: Option<objects::Compared>,
    /// What is to be done by hand, or has no place here.
    pub(crate) notes: Vec<String>,
}

impl Report {
    /// Takes over how tables stand at the end.
    pub(super) fn verify(&mut self, now: &[tables::Compared]) {
        for table in &mut self.tables {
            if let Some(now) = now.iter().find(|now| now.table == table.table) {
                *table = tables::Compared { copied: table.copied, ..now.clone() };
            }
        }
    }

    /// Both sides are the same.
    pub(crate) fn is_equal(&self) -> bool {
        self.tables.iter().all(|table| table.equal)
            && self.secrets.as_ref().is_none_or(|secrets| secrets.equal)
            && self.objects.as_ref().is_none_or(|objects| objects.equal)
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let rows: i64 = self.tables.iter().map(|table| table.rows_here).sum();
        let equal = self.tables.iter().filter(|table| table.equal).count();
        let copied = self.tables.iter().filter(|table| table.copied).count();
        // Writing into a string cannot fail.
        let _ = writeln!(
            text,
            "tables    {equal} of {} equal, {rows} rows, {copied} copied in this run",
            self.tables.len()
        );
        for table in self.tables.iter().filter(|table| !table.equal) {
            let _ = writeln!(
                text,
                "          not equal: {} ({} rows there, {} here)",
                table.table, table.rows_there, table.rows_here
            );
        }
        if let Some(secrets) = &self.secrets {
            let _ = writeln!(
                text,
                "secrets   {} there, {} sealed in this run, {}",
                secrets.there,
                secrets.sealed,
                word(secrets.equal)
            );
        }
        if let Some(objects) = &self.objects {
            let _ = writeln!(
                text,
                "files     {} of {} there, {} bytes, {} copied and {} removed in this run, {}",
                objects.here,
                objects.there,
                objects.bytes,
                objects.copied,
                objects.removed,
                word(objects.equal)
            );
            for failed in &objects.failed {
                let _ = writeln!(text, "          {failed}");
            }
            if objects.failures > objects.failed.len() {
                let _ = writeln!(text, "          and {} more", objects.failures - objects.failed.len());
            }
            for lost in &objects.lost {
                let _ = writeln!(text, "          the source has lost {lost}");
            }
        }
        for note in &self.notes {
            let _ = writeln!(text, "note      {note}");
        }
        let _ = write!(
            text,
            "{}",
            if self.is_equal() { "both sides are equal" } else { "the sides are NOT equal" }
        );
        text
    }
}

fn word(equal: bool) -> &'static str {
    if equal { "equal" } else { "NOT equal" }
}
