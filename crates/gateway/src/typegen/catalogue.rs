//! What a generator knows of a database.

use std::collections::HashMap;

use serde::Deserialize;

use super::order;

/// All of it, sorted as it is written out.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// The schemas that were asked for.
    pub(super) schemas: Vec<String>,
    pub(super) relations: Vec<Relation>,
    /// Of the relations above; by relation, then by name.
    pub(super) columns: HashMap<i64, Vec<Column>>,
    pub(super) links: Vec<Link>,
    pub(super) routines: Vec<Routine>,
    /// Of all schemas.
    pub(super) kinds: Vec<Kind>,
}

/// A table, a view, or what is used like one.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Relation {
    pub(super) id: i64,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) form: Form,
    /// Of views: rows can be added.
    pub(super) takes_inserts: bool,
    /// Of views: rows can be changed.
    pub(super) takes_updates: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Form {
    Table,
    ForeignTable,
    View,
    MaterializedView,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Column {
    pub(super) relation: i64,
    pub(super) position: i32,
    pub(super) name: String,
    pub(super) kind: Named,
    pub(super) is_nullable: bool,
    pub(super) is_identity: bool,
    /// The database alone writes it: an identity that is always generated, or an expression.
    pub(super) is_readonly: bool,
    /// Its value is an expression over other columns.
    pub(super) is_generated: bool,
    pub(super) has_default: bool,
    /// Of views: it can be written.
    pub(super) is_updatable: bool,
    pub(super) comment: Option<String>,
}

/// The name of a type and its schema. Of a domain: what it is made of.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) schema: String,
}

/// A type.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Kind {
    pub(super) id: i64,
    #[serde(flatten)]
    pub(super) named: Named,
    /// As SQL would spell it.
    pub(super) format: String,
    /// What an enumeration allows.
    pub(super) labels: Vec<String>,
    /// What a composite type consists of.
    pub(super) attributes: Vec<Attribute>,
    /// The relation of whose rows it is the type.
    pub(super) relation: Option<i64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Attribute {
    pub(super) name: String,
    pub(super) kind: i64,
}

/// A foreign key, also as views show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) schema: String,
    pub(super) relation: String,
    pub(super) columns: Vec<String>,
    pub(super) is_one_to_one: bool,
    pub(super) foreign_schema: String,
    pub(super) foreign_relation: String,
    pub(super) foreign_columns: Vec<String>,
}

/// A function.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Routine {
    pub(super) id: i64,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
    /// The arguments as SQL spells them.
    pub(super) signature: String,
    pub(super) returns: i64,
    pub(super) returns_text: String,
    /// The relation whose rows it returns.
    pub(super) returns_relation: Option<i64>,
    pub(super) is_set: bool,
    /// The planner's guess, of those that return sets.
    pub(super) rows: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Argument {
    pub(super) mode: Mode,
    pub(super) name: String,
    pub(super) kind: i64,
    pub(super) has_default: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Mode {
    #[serde(rename = "i")]
    In,
    #[serde(rename = "o")]
    Out,
    #[serde(rename = "b")]
    InOut,
    #[serde(rename = "v")]
    Variadic,
    #[serde(rename = "t")]
    Table,
}

/// A primary, unique or foreign key.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Key {
    pub(super) form: KeyForm,
    pub(super) name: String,
    pub(super) schema: String,
    pub(super) relation: i64,
    pub(super) relation_schema: String,
    pub(super) relation_name: String,
    pub(super) columns: Vec<KeyColumn>,
    /// Where a foreign key leads to.
    pub(super) foreign: Option<i64>,
    pub(super) foreign_schema: Option<String>,
    pub(super) foreign_name: Option<String>,
    pub(super) foreign_columns: Vec<KeyColumn>,
    /// It was not made for a partition.
    pub(super) is_original: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum KeyForm {
    #[serde(rename = "p")]
    Primary,
    #[serde(rename = "u")]
    Unique,
    #[serde(rename = "f")]
    Foreign,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct KeyColumn {
    pub(super) position: i32,
    pub(super) name: String,
}

/// A view, as Postgres keeps it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Definition {
    pub(super) view: i64,
    pub(super) schema: String,
    pub(super) name: String,
    /// It is in a schema whose views are looked through.
    pub(super) is_seen: bool,
    /// Postgres' print of its query.
    pub(super) query: String,
    /// Names by position.
    pub(super) columns: Vec<KeyColumn>,
    /// Relations and positions of columns it reads that are never null.
    pub(super) never_null: Vec<(i64, i32)>,
}

impl Catalogue {
    /// The relations of these forms, in the order they are written.
    pub(super) fn of_form(&self, form: Form) -> impl Iterator<Item = &Relation> {
        self.relations.iter().filter(move |relation| relation.form == form)
    }

    pub(super) fn relation(&self, id: i64) -> Option<&Relation> {
        self.relations.iter().find(|relation| relation.id == id)
    }

    pub(super) fn columns_of(&self, relation: i64) -> &[Column] {
        self.columns.get(&relation).map_or(&[], Vec::as_slice)
    }

    pub(super) fn kind(&self, id: i64) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.id == id)
    }

    /// The type of a relation's rows, if `id` is one.
    pub(super) fn row_kind(&self, id: i64) -> Option<&Kind> {
        self.kind(id).filter(|kind| kind.relation.is_some())
    }

    pub(super) fn has_schema(&self, name: &str) -> bool {
        self.schemas.iter().any(|schema| schema == name)
    }

    /// Brings everything into the order in which it is written.
    pub(super) fn sort(&mut self) {
        let compare = order::compare;
        self.schemas.sort_by(|a, b| compare(a, b));
        self.schemas.dedup();
        self.relations.sort_by(|a, b| {
            compare(&a.schema, &b.schema).then_with(|| compare(&a.name, &b.name)).then(a.id.cmp(&b.id))
        });
        for columns in self.columns.values_mut() {
            columns.sort_by(|a, b| compare(&a.name, &b.name));
        }
        self.kinds.sort_by(|a, b| {
            let named = compare(&a.named.schema, &b.named.schema);
            named.then_with(|| compare(&a.named.name, &b.named.name)).then(a.id.cmp(&b.id))
        });
        self.links.sort_by(|a, b| {
            let columns = |columns: &[String]| serde_json::json!(columns).to_string();
            compare(&a.name, &b.name)
                .then_with(|| compare(&a.foreign_relation, &b.foreign_relation))
                .then_with(|| compare(&columns(&a.foreign_columns), &columns(&b.foreign_columns)))
                .then_with(|| compare(&a.foreign_schema, &b.foreign_schema))
                .then_with(|| compare(&a.schema, &b.schema))
                .then_with(|| compare(&a.relation, &b.relation))
                .then_with(|| compare(&columns(&a.columns), &columns(&b.columns)))
        });
    }
}
