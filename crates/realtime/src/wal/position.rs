//! A place among the row changes of a database.

use std::fmt;
use std::str::FromStr;

use db::Lsn;

/// Changes come in the order of these: by the commit of their transaction, and within it as they were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// Where the commit stands in the log.
    pub(crate) commit: Lsn,
    /// Counted from 1 within the transaction; 0 is before its first change.
    pub(crate) number: u32,
}

impl From<Lsn> for Position {
    /// Before everything that was committed there.
    fn from(commit: Lsn) -> Self {
        Self { commit, number: 0 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.commit, self.number)
    }
}

/// Something that is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a position of the stream")]
pub(crate) struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let (commit, number) = text.split_once('.').ok_or(NoPosition)?;
        let commit = commit.parse().map_err(|_| NoPosition)?;
        Ok(Self { commit, number: number.parse().map_err(|_| NoPosition)? })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn positions_are_ordered_and_written() {
        let position = |commit, number| Position { commit: Lsn(commit), number };
        assert!(position(1, 9) < position(2, 0) && position(2, 0) < position(2, 1));
        let one = position(0x16_0000_0abc, 3);
        assert_eq!(one.to_string(), "16/ABC.3");
        assert_eq!("16/ABC.3".parse(), Ok(one));
        for text in ["", "1/2", "1.2", "g/1.1", "1/2.-1", "1/2.3.4", "1/123456789.1"] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
