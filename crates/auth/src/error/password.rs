//! What is said of passwords that are refused.

/// What a password lacks.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Weakness {
    /// For people.
    pub message: String,
    /// For programs: `length`, `characters`, `pwned`.
    pub reasons: Vec<&'static str>,
}
