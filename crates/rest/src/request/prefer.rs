//! `Prefer` headers (RFC 7240).

use super::keyset;

/// The preferences of a request; `None` where the client has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    /// `resolution=`: what an insert does with duplicates.
    pub resolution: Option<Resolution>,
    /// `return=`: how much of the changed rows comes back.
    pub representation: Option<Representation>,
    /// `count=`: which total is wanted.
    pub count: Option<Count>,
    /// `tx=`: how the transaction ends; only if the settings allow overriding it.
    pub transaction: Option<Transaction>,
    /// `missing=`: what stands for keys that a row of the body lacks.
    pub missing: Option<Missing>,
    /// `handling=`: what unknown preferences do.
    pub handling: Option<Handling>,
    /// `timezone=`: the time zone of the transaction, unchecked.
    pub timezone: Option<String>,
    /// How many of `invalid` came before the time zone.
    timezone_place: usize,
    /// `max-affected=`: the greatest number of rows that a write may touch.
    pub max_affected: Option<i64>,
    /// `cursor=keyset`, ours. It is among the `invalid` ones too: it means something only where the
    /// rows can be continued by key.
    pub keyset: bool,
    /// Preferences that mean nothing here, as sent.
    pub invalid: Vec<String>,
}

/// What an insert does with duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// `merge-duplicates`
    MergeDuplicates,
    /// `ignore-duplicates`
    IgnoreDuplicates,
}

/// How much of the changed rows comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Representation {
    /// `representation`: the rows.
    Full,
    /// `minimal`: nothing, which needs no SELECT right.
    Minimal,
    /// `headers-only`: the `Location` of an inserted row.
    HeadersOnly,
}

/// How a total is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// `exact`
    Exact,
    /// `planned`: the planner's guess.
    Planned,
    /// `estimated`: exact up to the row limit of the settings, the planner's guess above.
    Estimated,
}

/// How the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// `commit`
    Commit,
    /// `rollback`
    Rollback,
}

/// What stands for keys that a row lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// `default`: the column's default.
    Default,
    /// `null`
    Null,
}

/// What unknown preferences do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handling {
    /// `strict`: they are an error.
    Strict,
    /// `lenient`: they are ignored.
    Lenient,
}

impl Preferences {
    /// Reads the values of all `Prefer` headers. The first value of a group counts; `tx` only
    /// where `override_allowed`, though it never counts as unknown.
    pub(super) fn parse<'a>(headers: impl Iterator<Item = &'a str>, override_allowed: bool) -> Self {
        let mut all = Self::default();
        let mut has_timezone = false;
        let mut has_max = false;
        for preference in headers.flat_map(|header| header.split(',')).map(str::trim) {
            match preference.split_once('=') {
                Some(("timezone", zone)) => {
                    if !std::mem::replace(&mut has_timezone, true) {
                        all.timezone = Some(zone.to_owned());
                        all.timezone_place = all.invalid.len();
                    }
                }
                Some(("max-affected", rows)) => {
                    if !std::mem::replace(&mut has_max, true) {
                        all.max_affected = rows.trim().parse().ok();
                    }
                }
                _ => all.take(preference, override_allowed),
            }
        }
        all
    }

    fn take(&mut self, preference: &str, override_allowed: bool) {
        fn first<T>(place: &mut Option<T>, value: T) {
            place.get_or_insert(value);
        }
        match preference {
            "resolution=merge-duplicates" => first(&mut self.resolution, Resolution::MergeDuplicates),
            "resolution=ignore-duplicates" => first(&mut self.resolution, Resolution::IgnoreDuplicates),
            "return=representation" => first(&mut self.representation, Representation::Full),
            "return=minimal" => first(&mut self.representation, Representation::Minimal),
            "return=headers-only" => first(&mut self.representation, Representation::HeadersOnly),
            "count=exact" => first(&mut self.count, Count::Exact),
            "count=planned" => first(&mut self.count, Count::Planned),
            "count=estimated" => first(&mut self.count, Count::Estimated),
            "tx=commit" | "tx=rollback" if !override_allowed => {}
            "tx=commit" => first(&mut self.transaction, Transaction::Commit),
            "tx=rollback" => first(&mut self.transaction, Transaction::Rollback),
            "missing=default" => first(&mut self.missing, Missing::Default),
            "missing=null" => first(&mut self.missing, Missing::Null),
            "handling=strict" => first(&mut self.handling, Handling::Strict),
            "handling=lenient" => first(&mut self.handling, Handling::Lenient),
            unknown => {
                self.keyset |= unknown == keyset::PREFERENCE;
                self.invalid.push(unknown.to_owned());
            }
        }
    }

    /// Counts the time zone among the preferences that mean nothing, as PostgREST 14 does with
    /// those that Postgres does not know.
    pub fn disown_timezone(&mut self) {
        if let Some(zone) = self.timezone.take() {
            self.invalid.insert(self.timezone_place, format!("timezone={zone}"));
        }
    }

    /// The value of `Preference-Applied` if exactly these preferences were applied.
    pub fn applied(&self) -> Option<String> {
        let mut applied: Vec<String> = Vec::new();
        let mut push = |text: &str| applied.push(text.to_owned());
        match self.resolution {
            Some(Resolution::MergeDuplicates) => push("resolution=merge-duplicates"),
            Some(Resolution::IgnoreDuplicates) => push("resolution=ignore-duplicates"),
            None => {}
        }
        match self.missing {
            Some(Missing::Default) => push("missing=default"),
            Some(Missing::Null) => push("missing=null"),
            None => {}
        }
        match self.representation {
            Some(Representation::Full) => push("return=representation"),
            Some(Representation::Minimal) => push("return=minimal"),
            Some(Representation::HeadersOnly) => push("return=headers-only"),
            None => {}
        }
        match self.count {
            Some(Count::Exact) => push("count=exact"),
            Some(Count::Planned) => push("count=planned"),
            Some(Count::Estimated) => push("count=estimated"),
            None => {}
        }
        match self.transaction {
            Some(Transaction::Commit) => push("tx=commit"),
            Some(Transaction::Rollback) => push("tx=rollback"),
            None => {}
        }
        match self.handling {
            Some(Handling::Strict) => push("handling=strict"),
            Some(Handling::Lenient) => push("handling=lenient"),
            None => {}
        }
        if let Some(zone) = &self.timezone {
            push(&format!("timezone={zone}"));
        }
        if let (Some(rows), Some(Handling::Strict)) = (self.max_affected, self.handling) {
            push(&format!("max-affected={rows}"));
        }
        if self.keyset {
            push(keyset::PREFERENCE);
        }
        (!applied.is_empty()).then(|| applied.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(headers: &[&str]) -> Preferences {
        Preferences::parse(headers.iter().copied(), true)
    }

    #[test]
    fn one_header_or_several_are_the_same() {
        let expected = Preferences {
            resolution: Some(Resolution::IgnoreDuplicates),
            count: Some(Count::Exact),
            timezone: Some("America/Los_Angeles".to_owned()),
            max_affected: Some(100),
            ..Preferences::default()
        };
        let one =
            ["resolution=ignore-duplicates, count=exact, timezone=America/Los_Angeles, max-affected=100"];
        let several = [
            "resolution=ignore-duplicates",
            "count=exact",
            "timezone=America/Los_Angeles",
            "max-affected=100",
        ];
        assert_eq!(parse(&one), expected);
        assert_eq!(parse(&several), expected);
    }

    #[test]
    fn the_first_of_a_group_counts() {
        assert_eq!(parse(&["tx=commit, tx=rollback"]).transaction, Some(Transaction::Commit));
        assert_eq!(
            parse(&["resolution=ignore-duplicates", "resolution=merge-duplicates"]).resolution,
            Some(Resolution::IgnoreDuplicates)
        );
        assert_eq!(parse(&["max-affected=x, max-affected=1"]).max_affected, None);
    }

    #[test]
    fn our_own_counts_as_unknown_until_it_is_followed() {
        let parsed = parse(&["cursor=keyset, count=exact"]);
        assert!(parsed.keyset && parsed.invalid == ["cursor=keyset"]);
        assert!(!parse(&["cursor=offset, cursor = keyset"]).keyset);
    }

    #[test]
    fn unknown_ones_are_kept_for_strict_handling() {
        let parsed = parse(&["count=exact,    tx=commit   ,return=representation , anything, count=some"]);
        assert_eq!(parsed.invalid, ["anything", "count=some"]);
        let parsed = Preferences::parse(["tx=rollback"].into_iter(), false);
        assert_eq!(parsed, Preferences::default());
    }

    #[test]
    fn a_disowned_time_zone_keeps_its_place_among_the_unknown() {
        let mut parsed = parse(&["handling=strict, one, timezone=Nowhere, two"]);
        assert_eq!(parsed.invalid, ["one", "two"]);
        parsed.disown_timezone();
        parsed.disown_timezone();
        assert_eq!(parsed.invalid, ["one", "timezone=Nowhere", "two"]);
        assert_eq!(parsed.applied().as_deref(), Some("handling=strict"));
    }

    #[test]
    fn applied_ones_are_listed_in_upstreams_order() {
        let all = "max-affected=5, timezone=UTC, handling=strict, tx=rollback, count=exact, \
                   return=minimal, missing=null, resolution=merge-duplicates";
        assert_eq!(
            parse(&[all]).applied().as_deref(),
            Some(
                "resolution=merge-duplicates, missing=null, return=minimal, count=exact, tx=rollback, \
                 handling=strict, timezone=UTC, max-affected=5"
            )
        );
        assert_eq!(parse(&["max-affected=5"]).applied(), None);
    }
}
