//! Answers to OPTIONS: which methods a resource takes.

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW};

use super::Answer;
use crate::schema::{Routine, Table, Volatility};

/// The methods of a relation.
pub(super) fn relation(table: &Table) -> Answer {
    let mut methods = vec!["OPTIONS,GET,HEAD"];
    if table.is_insertable {
        methods.push("POST");
    }
    if table.is_insertable && table.is_updatable && !table.primary_key.is_empty() {
        methods.push("PUT");
    }
    if table.is_updatable {
        methods.push("PATCH");
    }
    if table.is_deletable {
        methods.push("DELETE");
    }
    allow(&methods.join(","))
}

/// The methods of a function.
pub(super) fn routine(routine: &Routine) -> Answer {
    match routine.volatility {
        Volatility::Volatile => allow("OPTIONS,POST"),
        Volatility::Stable | Volatility::Immutable => allow("OPTIONS,GET,HEAD,POST"),
    }
}

/// The methods of the root.
pub(super) fn root() -> Answer {
    allow("OPTIONS,GET,HEAD")
}

fn allow(methods: &str) -> Answer {
    let mut answer = Answer::new(StatusCode::OK);
    answer.set(ALLOW, methods);
    answer.set(ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    answer
}
