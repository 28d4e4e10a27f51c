//! Whether a row's value passes a filter.
//!
//! The comparison is SQL's, in the type of the column. Where ours is certain to be the same, it is made here:
//! whole numbers, texts for equality, identifiers, words of an enumeration. Everything else is asked of the
//! database. Null passes nothing but the filters that are about null.

use std::cmp::Ordering;

use uuid::Uuid;

use super::filter::{Filter, Op};
use super::kind::{Kind, Types};
use super::literal::{self, Node};

/// What became of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passes,
    Fails,
    /// The database knows.
    Ask,
}

impl Verdict {
    /// `None` is what SQL calls unknown.
    fn of(truth: Option<bool>, negate: bool) -> Self {
        if truth.is_some_and(|truth| truth != negate) { Self::Passes } else { Self::Fails }
    }
}

/// Compares a value, null if there is none, of the type `oid`.
pub(super) fn compare(types: &Types, oid: u32, value: Option<&str>, filter: &Filter) -> Verdict {
    let wanted = filter.value.as_str();
    if filter.op == Op::Is {
        let holds = match wanted {
            "true" => value == Some("t"),
            "false" => value == Some("f"),
            _ => value.is_none(),
        };
        return Verdict::of(Some(holds), filter.negate);
    }
    let Some(value) = value else {
        return Verdict::of((filter.op == Op::IsDistinct).then_some(true), filter.negate);
    };
    match truth(Comparable::of(types, oid), value, filter.op, wanted) {
        Some(truth) => Verdict::of(truth, filter.negate),
        None => Verdict::Ask,
    }
}

/// Types whose values compare as their texts, or as what their texts say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparable {
    Integer,
    Uuid,
    Bool,
    /// Equality is that of the bytes, order is not.
    Text,
    Word,
    No,
}

impl Comparable {
    fn of(types: &Types, oid: u32) -> Self {
        match types.kind(oid) {
            Kind::Integer => Self::Integer,
            Kind::Uuid => Self::Uuid,
            Kind::Bool => Self::Bool,
            Kind::Enum => Self::Word,
            // `text` and `varchar`.
            Kind::Text if matches!(types.base(oid), 25 | 1043) => Self::Text,
            _ => Self::No,
        }
    }

    /// How a value stands to another; none if we cannot tell.
    fn order(self, value: &str, other: &str) -> Option<Ordering> {
        fn read<T: Ord + std::str::FromStr>(value: &str, other: &str) -> Option<Ordering> {
            Some(value.parse::<T>().ok()?.cmp(&other.trim().parse::<T>().ok()?))
        }
        match self {
            Self::Integer => read::<i64>(value, other),
            Self::Uuid => read::<Uuid>(value, other),
            Self::Bool => {
                let read = |text: &str| match text {
                    "t" | "true" => Some(true),
                    "f" | "false" => Some(false),
                    _ => None,
                };
                Some(read(value)?.cmp(&read(other)?))
            }
            Self::Text | Self::Word => (value == other).then_some(Ordering::Equal),
            Self::No => None,
        }
    }

    fn is_equal(self, value: &str, other: &str) -> Option<bool> {
        match self {
            Self::Text | Self::Word => Some(value == other),
            _ => Some(self.order(value, other)? == Ordering::Equal),
        }
    }
}

/// SQL's answer, in which unknown is the inner `None`; the outer one says that we do not know it.
fn truth(kind: Comparable, value: &str, op: Op, wanted: &str) -> Option<Option<bool>> {
    let by_order = |holds: fn(Ordering) -> bool| {
        if matches!(kind, Comparable::Text | Comparable::Word) {
            return None;
        }
        kind.order(value, wanted).map(holds)
    };
    Some(Some(match op {
        Op::Eq => kind.is_equal(value, wanted)?,
        Op::Neq | Op::IsDistinct => !kind.is_equal(value, wanted)?,
        Op::Lt => by_order(Ordering::is_lt)?,
        Op::Lte => by_order(Ordering::is_le)?,
        Op::Gt => by_order(Ordering::is_gt)?,
        Op::Gte => by_order(Ordering::is_ge)?,
        Op::Like if kind == Comparable::Text => is_like(value, wanted)?,
        Op::In => return is_in(kind, value, wanted),
        Op::Like | Op::Ilike | Op::Match | Op::Imatch | Op::Is => return None,
    }))
}

fn is_in(kind: Comparable, value: &str, wanted: &str) -> Option<Option<bool>> {
    let mut has_null = false;
    for node in literal::array(wanted, ',')? {
        match node {
            Node::Item(Some(item)) if kind.is_equal(value, &item)? => return Some(Some(true)),
            Node::Item(Some(_)) => {}
            Node::Item(None) => has_null = true,
            Node::List(_) => return None,
        }
    }
    Some(if has_null { None } else { Some(false) })
}

/// SQL's `like`; none if the pattern is not one.
fn is_like(text: &str, pattern: &str) -> Option<bool> {
    enum Part {
        Any,
        One,
        Letter(char),
    }
    let mut parts = Vec::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        parts.push(match letter {
            '%' => Part::Any,
            '_' => Part::One,
            '\\' => Part::Letter(letters.next()?),
            letter => Part::Letter(letter),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut part) = (0, 0);
    // Where to go on if what follows the last `%` does not fit.
    let mut back: Option<(usize, usize)> = None;
    while at < text.len() {
        let fits = match parts.get(part) {
            Some(Part::Any) => {
                back = Some((at, part));
                part += 1;
                continue;
            }
            Some(Part::One) => true,
            Some(Part::Letter(letter)) => text.get(at) == Some(letter),
            None => false,
        };
        if fits {
            (at, part) = (at + 1, part + 1);
        } else if let Some((from, any)) = back {
            back = Some((from + 1, any));
            (at, part) = (from + 1, any + 1);
        } else {
            return Some(false);
        }
    }
    Some(parts.iter().skip(part).all(|part| matches!(part, Part::Any)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::super::kind::{Type, built_in};
    use super::*;

    fn verdict(oid: u32, value: Option<&str>, text: &str) -> Verdict {
        let mut types = Types::default();
        for oid in [16, 20, 25, 701, 2950] {
            types.put(oid, Type { name: String::new(), sql: String::new(), kind: built_in(oid) });
        }
        types.put(99, Type { name: String::new(), sql: String::new(), kind: Kind::Enum });
        let filter = super::super::filter::parse(&format!("a={text}")).unwrap().remove(0);
        compare(&types, oid, value, &filter)
    }

    #[test]
    fn comparisons_that_are_made_here() {
        use Verdict::{Ask, Fails, Passes};
        for (oid, value, filter, expected) in [
            (20, Some("10"), "eq.10", Passes),
            (20, Some("10"), "gt.9", Passes),
            (20, Some("10"), "lt.9", Fails),
            (20, Some("10"), "not.lt.9", Passes),
            (20, Some("10"), "eq. 10 ", Passes),
            (20, Some("10"), "eq.0xA", Ask),
            (20, Some("10"), "in.(1,10)", Passes),
            (20, Some("10"), "not.in.(1,NULL)", Fails),
            (20, Some("10"), "in.(1,2)", Fails),
            (20, None, "neq.1", Fails),
            (20, None, "not.eq.1", Fails),
            (20, None, "isdistinct.1", Passes),
            (20, None, "not.isdistinct.1", Fails),
            (20, None, "is.null", Passes),
            (20, Some("1"), "not.is.null", Passes),
            (16, Some("t"), "is.true", Passes),
            (16, None, "is.unknown", Passes),
            (16, None, "is.false", Fails),
            (16, Some("t"), "eq.true", Passes),
            (16, Some("t"), "eq.on", Ask),
            (25, Some("b"), "neq.a", Passes),
            (25, Some("b"), "gt.a", Ask),
            (25, Some("abc"), "like.a%", Passes),
            (25, Some("abc"), "not.like.a_", Passes),
            (25, Some("abc"), "ilike.A%", Ask),
            (25, Some("a,b"), r#"in.(x,"a,b")"#, Passes),
            (99, Some("sad"), "eq.sad", Passes),
            (99, Some("sad"), "lt.happy", Ask),
            (701, Some("1.5"), "eq.1.50", Ask),
            (
                2950,
                Some("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
                "eq.A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
                Passes,
            ),
        ] {
            assert_eq!(verdict(oid, value, filter), expected, "{oid} {value:?} {filter}");
        }
    }

    #[test]
    fn like_is_sqls() {
        for (text, pattern, expected) in [
            ("", "", Some(true)),
            ("", "%", Some(true)),
            ("a", "", Some(false)),
            ("abcabd", "%ab_", Some(true)),
            ("abcabd", "%abc", Some(false)),
            ("aXbXc", "a%b%c", Some(true)),
            ("100%", r"100\%", Some(true)),
            ("1000", r"100\%", Some(false)),
            ("é", "_", Some(true)),
            ("a", r"a\", None),
        ] {
            assert_eq!(is_like(text, pattern), expected, "{text} {pattern}");
        }
    }

    proptest! {
        #[test]
        fn nothing_passes_a_filter_and_its_opposite(
            oid in prop::sample::select(vec![16, 20, 25, 99, 701, 2950]),
            value in prop::option::of("[-0-9tf%_{}\",]{0,6}|\\PC{0,6}"),
            op in prop::sample::select(vec!["eq", "neq", "lt", "gte", "like", "is", "isdistinct"]),
            wanted in "[-0-9tf%_\\\\]{0,6}|true|false|null",
        ) {
            let verdicts = ["", "not."].map(|not| verdict(oid, value.as_deref(), &format!("{not}{op}.\"{wanted}\"")));
            prop_assert!(verdicts != [Verdict::Passes; 2]);
            prop_assert_eq!(verdicts[0] == Verdict::Ask, verdicts[1] == Verdict::Ask);
        }
    }
}
