//! The cache itself: everything the data API knows, and the ways to look it up.

use std::collections::HashMap;

use super::find::Outgoing;
use super::model::{
    MediaHandler, Name, QualifiedName, Relationship, RelationshipKind, Representation, Routine, Table,
};

/// Everything known about the exposed schemas. Does not depend on the caller.
#[derive(Clone, Debug, Default)]
pub struct SchemaCache {
    pub(super) tables: HashMap<QualifiedName, Table>,
    pub(super) relationships: HashMap<QualifiedName, Outgoing>,
    pub(super) routines: HashMap<QualifiedName, Vec<Routine>>,
    representations: HashMap<Name, HashMap<Name, QualifiedName>>,
    media_handlers: HashMap<Name, Vec<MediaHandler>>,
}

/// What a [`SchemaCache`] is made of, in any order.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Relations of the exposed schemas.
    pub tables: Vec<Table>,
    /// Relationships between them, both directions given.
    pub relationships: Vec<Relationship>,
    /// Functions, one entry per overload.
    pub routines: Vec<Routine>,
    /// Casts of domains.
    pub representations: Vec<Representation>,
    /// Custom handlers.
    pub media_handlers: Vec<MediaHandler>,
}

impl SchemaCache {
    /// Indexes the contents and brings lists into the order in which errors print them: PostgREST's.
    pub fn new(contents: Contents) -> Self {
        let mut relationships: HashMap<QualifiedName, Vec<Relationship>> = HashMap::new();
        for relationship in contents.relationships {
            relationships.entry(relationship.table.clone()).or_default().push(relationship);
        }
        let mut routines: HashMap<QualifiedName, Vec<Routine>> = HashMap::new();
        for routine in contents.routines {
            routines.entry(routine.name.clone()).or_default().push(routine);
        }
        for overloads in routines.values_mut() {
            overloads.sort_by(|a, b| arity(a).cmp(&arity(b)));
        }
        let mut representations: HashMap<Name, HashMap<Name, QualifiedName>> = HashMap::new();
        for Representation { from, to, function } in contents.representations {
            representations.entry(from).or_default().insert(to, function);
        }
        let mut media_handlers: HashMap<Name, Vec<MediaHandler>> = HashMap::new();
        for handler in contents.media_handlers {
            media_handlers.entry(handler.accepted.clone()).or_default().push(handler);
        }
        Self {
            tables: contents.tables.into_iter().map(|table| (table.name.clone(), table)).collect(),
            relationships: relationships
                .into_iter()
                .map(|(origin, mut outgoing)| {
                    outgoing.sort_by(|a, b| rank(a).cmp(&rank(b)));
                    (origin, Outgoing::new(outgoing))
                })
                .collect(),
            routines,
            representations,
            media_handlers,
        }
    }

    /// The relation of that name.
    pub fn table(&self, name: &QualifiedName) -> Option<&Table> {
        self.tables.get(name)
    }

    /// All relations, in no order.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values()
    }

    /// The relationships that start at `origin` and that a request finds in `schema`, in the order errors print them.
    pub fn relationships(&self, origin: &QualifiedName, schema: &str) -> impl Iterator<Item = &Relationship> {
        let outgoing = self.relationships.get(origin).map(Outgoing::all).unwrap_or_default();
        outgoing.iter().filter(move |relationship| relationship.target_schema() == schema)
    }

    /// The overloads of a function, fewest parameters first; empty if there is none.
    pub fn routines(&self, name: &QualifiedName) -> &[Routine] {
        self.routines.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// All functions with their overloads, in no order.
    pub fn all_routines(&self) -> impl Iterator<Item = &Routine> {
        self.routines.values().flatten()
    }

    /// The function that converts between a domain and `json` or `text`; both types as
    /// [`Column::nominal_type`](super::Column::nominal_type) spells them.
    pub fn representation(&self, from: &str, to: &str) -> Option<&QualifiedName> {
        self.representations.get(from)?.get(to)
    }

    /// A custom handler for `target` (a relation or a scalar function; none: any relation) and a lower-case media type.
    /// Built-in handlers are not in here: look them up after this one found nothing.
    pub fn media_handler(&self, target: Option<&QualifiedName>, media_type: &str) -> Option<&MediaHandler> {
        self.media_handlers.get(media_type)?.iter().find(|handler| handler.target.as_ref() == target)
    }
}

/// Computed relationships come after those of keys.
fn rank(relationship: &Relationship) -> impl Ord + '_ {
    (
        matches!(relationship.kind, RelationshipKind::Computed { .. }),
        &relationship.foreign_table,
        relationship.is_self,
        &relationship.kind,
        relationship.table_is_view,
        relationship.foreign_table_is_view,
    )
}

/// Fewest parameters first; the rest only makes the order certain.
fn arity(routine: &Routine) -> impl Ord + '_ {
    (routine.params.len(), &routine.description, &routine.params, &routine.returns, routine.volatility)
}
