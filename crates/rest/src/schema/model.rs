//! The things of a database that the data API knows: tables, relationships, functions, casts and media handlers.
//!
//! Plain values, immutable once loaded, shared behind an `Arc` for the length of a request. Names are `Arc<str>`, so that
//! plans copy them without allocating. The rules are those of PostgREST's schema cache; nothing here depends on the caller's role.

use std::fmt;
use std::sync::Arc;

/// A name in the database: cheap to copy.
pub type Name = Arc<str>;

/// A schema-qualified name of a relation, function or type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QualifiedName {
    /// The schema; never empty.
    pub schema: Name,
    /// The name within the schema.
    pub name: Name,
}

impl QualifiedName {
    /// A qualified name from its two parts.
    pub fn new(schema: impl Into<Name>, name: impl Into<Name>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }
}

/// `schema.name` for messages, unquoted; SQL text goes through `db::ident`.
impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// A table, partitioned table, view, materialized view or foreign table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Where it is.
    pub name: QualifiedName,
    /// `COMMENT ON`.
    pub description: Option<String>,
    /// Views and materialized views.
    pub is_view: bool,
    /// Accepts INSERT, by nature or by trigger; says nothing about privileges.
    pub is_insertable: bool,
    /// Accepts UPDATE, likewise.
    pub is_updatable: bool,
    /// Accepts DELETE, likewise.
    pub is_deletable: bool,
    /// Primary key columns sorted by name; for views those of the base table that the view exposes.
    pub primary_key: Vec<Name>,
    /// Columns in the order of their definition. Empty for tables outside the exposed schemas.
    pub columns: Vec<Column>,
}

impl Table {
    /// The column of that exact name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| &*column.name == name)
    }
}

/// A column of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: Name,
    /// `COMMENT ON COLUMN`.
    pub description: Option<String>,
    /// Accepts null: neither the column nor its domain is NOT NULL.
    pub is_nullable: bool,
    /// The type without modifiers, domains over built-in types resolved: `text`, `character varying`, `integer[]`, `public.mood`.
    pub data_type: Name,
    /// The declared type with its modifiers, domains kept: `character varying(10)`, `public.email`. Key of representations.
    pub nominal_type: Name,
    /// Longest text in characters, where the type has a limit.
    pub max_length: Option<i32>,
    /// The default as an SQL expression. Identity columns have their `nextval`; generated columns have none.
    pub default: Option<String>,
    /// Labels, if the type is an enumeration, in their order.
    pub enum_labels: Vec<String>,
}

/// A way from one relation to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relationship {
    /// The side it starts from: the parent of an embed.
    pub table: QualifiedName,
    /// The side it leads to: the child of an embed.
    pub foreign_table: QualifiedName,
    /// Both sides are the same relation.
    pub is_self: bool,
    /// Cardinality and join columns.
    pub kind: RelationshipKind,
    /// `table` is a view.
    pub table_is_view: bool,
    /// `foreign_table` is a view.
    pub foreign_table_is_view: bool,
}

impl Relationship {
    /// At most one row of `foreign_table` for a row of `table`.
    pub fn is_to_one(&self) -> bool {
        match &self.kind {
            RelationshipKind::ManyToOne(_) | RelationshipKind::OneToOne { .. } => true,
            RelationshipKind::Computed { is_to_one, .. } => *is_to_one,
            RelationshipKind::OneToMany(_) | RelationshipKind::ManyToMany(_) => false,
        }
    }

    /// The schema in which a request looks for it: where the other side is, or the function of a computed one.
    pub fn target_schema(&self) -> &str {
        match &self.kind {
            RelationshipKind::Computed { function, .. } => &function.schema,
            _ => &self.foreign_table.schema,
        }
    }

    /// The constraint and its columns, for relationships made by one foreign key.
    pub fn link(&self) -> Option<&Link> {
        match &self.kind {
            RelationshipKind::ManyToOne(link)
            | RelationshipKind::OneToMany(link)
            | RelationshipKind::OneToOne { link, .. } => Some(link),
            RelationshipKind::ManyToMany(_) | RelationshipKind::Computed { .. } => None,
        }
    }
}

/// The five kinds of relationship.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RelationshipKind {
    /// `foreign_table` holds the foreign key.
    OneToMany(Link),
    /// `table` holds the foreign key.
    ManyToOne(Link),
    /// The foreign key columns are unique.
    OneToOne {
        /// Constraint and columns.
        link: Link,
        /// `table` is the referenced side.
        is_parent: bool,
    },
    /// Both sides are referenced by a junction whose primary key covers both keys.
    ManyToMany(Junction),
    /// A function from a row of `table` to rows of `foreign_table`; it has no join columns.
    Computed {
        /// The function; its name is the target name in requests.
        function: QualifiedName,
        /// Not SETOF, or declared with ROWS 1.
        is_to_one: bool,
    },
}

/// A foreign key seen from one side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Name of the foreign key.
    pub constraint: Name,
    /// (column of `table`, column of `foreign_table`) in the order of the constraint.
    pub columns: Vec<(Name, Name)>,
}

/// The relation in the middle of a many-to-many relationship.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Junction {
    /// The relation that holds both keys; may be a view.
    pub table: QualifiedName,
    /// Its foreign key to `table` of the relationship.
    pub source_constraint: Name,
    /// Its foreign key to `foreign_table`.
    pub target_constraint: Name,
    /// (column of `table`, column of the junction).
    pub source_columns: Vec<(Name, Name)>,
    /// (column of `foreign_table`, column of the junction).
    pub target_columns: Vec<(Name, Name)>,
}

/// A function that can be called; one overload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routine {
    /// Where it is.
    pub name: QualifiedName,
    /// `COMMENT ON FUNCTION`.
    pub description: Option<String>,
    /// Input parameters in order: all named, or exactly one unnamed of a type that takes a whole body.
    pub params: Vec<Param>,
    /// What it returns.
    pub returns: Returns,
    /// Decides whether its transaction may write.
    pub volatility: Volatility,
    /// The last parameter is VARIADIC.
    pub is_variadic: bool,
    /// `SET default_transaction_isolation` of the function.
    pub isolation: Option<Isolation>,
    /// Those `SET` clauses of the function that are applied to the whole transaction (`db-hoisted-tx-settings`).
    pub settings: Vec<(String, String)>,
}

impl Routine {
    /// The one unnamed parameter that takes the whole body, if that is its shape.
    pub fn unnamed_param(&self) -> Option<&Param> {
        match self.params.as_slice() {
            [param] if param.name.is_empty() => Some(param),
            _ => None,
        }
    }

    /// The relation whose rows it returns, if it returns a composite.
    pub fn returned_relation(&self) -> Option<&QualifiedName> {
        match &self.returns.value {
            ReturnedValue::Composite(name) => Some(name),
            ReturnedValue::Scalar(_) => None,
        }
    }

    /// One scalar value.
    pub fn returns_scalar(&self) -> bool {
        !self.returns.is_set && matches!(self.returns.value, ReturnedValue::Scalar(_))
    }

    /// A set of scalar values.
    pub fn returns_set_of_scalar(&self) -> bool {
        self.returns.is_set && matches!(self.returns.value, ReturnedValue::Scalar(_))
    }

    /// One row.
    pub fn returns_single_composite(&self) -> bool {
        !self.returns.is_set && matches!(self.returns.value, ReturnedValue::Composite(_))
    }

    /// Nothing: `RETURNS void`.
    pub fn returns_void(&self) -> bool {
        !self.returns.is_set
            && matches!(&self.returns.value, ReturnedValue::Scalar(name) if &*name.schema == "pg_catalog" && &*name.name == "void")
    }
}

/// An input parameter of a [`Routine`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Param {
    /// Empty when unnamed.
    pub name: Name,
    /// The type, schema-qualified unless built in.
    pub data_type: Name,
    /// The type to cast values to: like `data_type`, but `bit` and `character` become their varying forms, which keep the whole value.
    pub cast_type: Name,
    /// Has no default.
    pub is_required: bool,
    /// Takes all repeated values as one array.
    pub is_variadic: bool,
}

/// The result of a [`Routine`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Returns {
    /// `SETOF` or `TABLE`.
    pub is_set: bool,
    /// One element of the result, domains resolved.
    pub value: ReturnedValue,
}

/// Scalar or row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReturnedValue {
    /// A value of that type.
    Scalar(QualifiedName),
    /// A row of that relation or composite type; `pg_catalog.record` for TABLE and OUT parameters.
    Composite(QualifiedName),
}

/// Volatility of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volatility {
    /// May write.
    Volatile,
    /// Reads only.
    Stable,
    /// Depends on its arguments alone.
    Immutable,
}

/// Transaction isolation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// `read committed`; also what unknown names mean.
    ReadCommitted,
    /// `repeatable read`.
    RepeatableRead,
    /// `serializable`.
    Serializable,
}

impl Isolation {
    /// Reads a setting's value, in any case; what is not a stronger level is read committed.
    pub fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "repeatable read" => Self::RepeatableRead,
            "serializable" => Self::Serializable,
            _ => Self::ReadCommitted,
        }
    }
}

/// A custom media type handler: a function from the rows to a domain named after the media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaHandler {
    /// The aggregate to apply; for scalar functions the domain itself, applied as a cast.
    pub function: QualifiedName,
    /// The relation (or scalar function) it is for; none: any relation.
    pub target: Option<QualifiedName>,
    /// The lower-case media type that selects it; `*/*` for any.
    pub accepted: Name,
    /// The Content-Type it produces.
    pub media_type: Name,
}

/// A function that converts values of a domain: an implicit cast to or from `json` or `text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Representation {
    /// The type it takes, as [`Column::nominal_type`] spells it.
    pub from: Name,
    /// The type it returns.
    pub to: Name,
    /// The function.
    pub function: QualifiedName,
}

/// Per-request settings of a role the connection may become: `ALTER ROLE … SET`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleSettings {
    /// `default_transaction_isolation`.
    pub isolation: Option<Isolation>,
    /// The other settings the connecting role is allowed to set, by name.
    pub settings: Vec<(String, String)>,
}
