//! Which functions a client can call, and what is to be said about each; the rules are those of the data API, which picks functions by the
//! names of their arguments.

use super::catalogue::{Argument, Catalogue, Mode, Relation, Routine};
use super::order;

/// `json`, `jsonb` and `text`: what a body of its own can be handed over as.
const BODIES: [i64; 3] = [114, 3802, 25];

/// Functions of one name.
pub(super) struct Family<'a> {
    pub(super) name: &'a str,
    pub(super) members: Vec<Call<'a>>,
}

/// One function, as a client calls it.
pub(super) struct Call<'a> {
    pub(super) routine: &'a Routine,
    /// What goes in, by name.
    pub(super) arguments: Vec<&'a Argument>,
    /// The columns of `returns table`, by name.
    pub(super) columns: Vec<&'a Argument>,
    pub(super) rows_of: Option<RowsOf<'a>>,
    /// The relation that it adds a column to.
    pub(super) computes_for: Option<i64>,
    /// Why it cannot be called after all.
    pub(super) error: Option<String>,
}

/// It returns rows of a relation.
pub(super) struct RowsOf<'a> {
    /// The relation whose row goes in, as SQL spells it, or `*`.
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) is_one: bool,
}

/// The functions of `schema`, by name.
pub(super) fn families<'a>(catalogue: &'a Catalogue, schema: &str) -> Vec<Family<'a>> {
    let mut families: Vec<(&str, Vec<&Routine>)> = Vec::new();
    let callable = |routine: &&Routine| routine.schema == schema && is_callable(catalogue, routine);
    for routine in catalogue.routines.iter().filter(callable) {
        match families.iter_mut().find(|(name, _)| *name == routine.name) {
            Some((_, members)) => members.push(routine),
            None => families.push((&routine.name, vec![routine])),
        }
    }
    families.sort_by(|a, b| order::compare(a.0, b.0));
    let family = |(name, mut members): (&'a str, Vec<&'a Routine>)| {
        members.sort_by(|a, b| {
            order::compare(&a.signature, &b.signature)
                .then_with(|| order::compare(&a.returns_text, &b.returns_text))
                .then(a.id.cmp(&b.id))
        });
        let calls = members.iter().map(|routine| Call::of(catalogue, routine, &members));
        Family { name, members: calls.collect() }
    };
    families.into_iter().map(family).collect()
}

/// What goes in.
fn inputs(routine: &Routine) -> Vec<&Argument> {
    let goes_in = |argument: &&Argument| matches!(argument.mode, Mode::In | Mode::InOut | Mode::Variadic);
    routine.arguments.iter().filter(goes_in).collect()
}

fn is_callable(catalogue: &Catalogue, routine: &Routine) -> bool {
    let inputs = inputs(routine);
    let is_body = |argument: &Argument| BODIES.contains(&argument.kind);
    let can_be_left_out =
        |argument: &&Argument| !argument.name.is_empty() || argument.has_default && is_body(argument);
    match inputs.as_slice() {
        inputs if inputs.iter().all(can_be_left_out) => true,
        [only] => is_body(only) || catalogue.row_kind(only.kind).is_some(),
        _ => false,
    }
}

impl<'a> Call<'a> {
    fn of(catalogue: &'a Catalogue, routine: &'a Routine, family: &[&Routine]) -> Self {
        let by_name = |arguments: &mut Vec<&Argument>| {
            arguments.sort_by(|a, b| order::compare(&a.name, &b.name));
        };
        let mut arguments = inputs(routine);
        let error = error(catalogue, routine, &arguments, family);
        let computes_for = computes_for(catalogue, routine, &arguments).map(|relation| relation.id);
        by_name(&mut arguments);
        let mut columns: Vec<_> =
            routine.arguments.iter().filter(|argument| argument.mode == Mode::Table).collect();
        by_name(&mut columns);
        Self { routine, arguments, columns, rows_of: rows_of(catalogue, routine), computes_for, error }
    }
}

fn rows_of<'a>(catalogue: &'a Catalogue, routine: &Routine) -> Option<RowsOf<'a>> {
    let relation = routine.returns_relation?;
    let to = match catalogue.relation(relation) {
        Some(relation) => &relation.name,
        None => &catalogue.row_kind(routine.returns)?.named.name,
    };
    let from = match routine.arguments.as_slice() {
        [only] => catalogue.row_kind(only.kind),
        _ => None,
    };
    let is_one = from.is_some() && !routine.is_set || routine.rows.is_none_or(|rows| rows <= 1.0);
    Some(RowsOf { from: from.map_or("*", |kind| &kind.format), to, is_one })
}

/// The relation of whose rows it is a computed column.
fn computes_for<'a>(
    catalogue: &'a Catalogue,
    routine: &Routine,
    inputs: &[&Argument],
) -> Option<&'a Relation> {
    let [only] = inputs else { return None };
    let relation = catalogue.relation(catalogue.row_kind(only.kind)?.relation?)?;
    let is_taken = catalogue.columns_of(relation.id).iter().any(|column| column.name == routine.name);
    (relation.schema == routine.schema && !is_taken).then_some(relation)
}

fn error(
    catalogue: &Catalogue,
    routine: &Routine,
    inputs: &[&Argument],
    family: &[&Routine],
) -> Option<String> {
    let kind = |id: i64| catalogue.kind(id).map_or("unknown", |kind| kind.named.name.as_str());
    let (schema, name) = (&routine.schema, &routine.name);
    let ambiguous = |candidates: &str| {
        format!(
            "Could not choose the best candidate function between: {candidates}. Try renaming the parameters or the \
             function itself in the database so function overloading can be resolved"
        )
    };
    let others = || family.iter().filter(|other| other.id != routine.id);
    if inputs.is_empty() {
        let unnamed = others().find(|other| {
            matches!(self::inputs(other).as_slice(), [only] if only.name.is_empty() && only.has_default)
        });
        if let Some(other) = unnamed {
            return Some(ambiguous(&format!(
                "{schema}.{name}(), {schema}.{name}( => {})",
                kind(other.returns)
            )));
        }
    }
    let [only] = inputs else { return None };
    if only.name.is_empty() {
        return catalogue.row_kind(only.kind).map(|_| {
            format!(
                "the function {schema}.{name} with parameter or with a single unnamed json/jsonb parameter, but no \
                 matches were found in the schema cache"
            )
        });
    }
    let mut alike: Vec<&Argument> = others()
        .filter_map(|other| match self::inputs(other).as_slice() {
            [input] if input.name == only.name && input.kind != only.kind => Some(*input),
            _ => None,
        })
        .collect();
    if alike.is_empty() {
        return None;
    }
    alike.push(only);
    alike.sort_by_key(|argument| argument.kind);
    let shown = alike.iter().map(|other| format!("{schema}.{name}({} => {})", other.name, kind(other.kind)));
    Some(ambiguous(&shown.collect::<Vec<_>>().join(", ")))
}
